// Menus close on Escape, on a click elsewhere, and when another opens; the drawer of phones.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  if (event.target.closest("[data-nav-toggle]")) setDrawer(!isDrawerOpen());
  else if (event.target.closest("[data-nav-close]")) setDrawer(false);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  if (isDrawerOpen()) setDrawer(false);
});

function isDrawerOpen() {
  return document.body.classList.contains("nav-open");
}

function setDrawer(isOpen) {
  document.body.classList.toggle("nav-open", isOpen);
  const toggle = document.querySelector("[data-nav-toggle]");
  toggle?.setAttribute("aria-expanded", String(isOpen));
  if (isOpen) document.querySelector("#sidebar a")?.focus();
  else toggle?.focus();
}
