// Menus close on Escape, on a click elsewhere, and when another opens; arrows go through one; it opens
// upwards where there is no room below. The drawer of phones.
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
    event.stopImmediatePropagation();  // this press has done what it was for
  }
  if (isDrawerOpen()) setDrawer(false);
});

document.addEventListener("keydown", (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const menu = by && !event.altKey && event.target.closest?.("details[data-menu][open]");
  if (!menu || event.target.matches("select, textarea, input")) return;
  const items = [...menu.querySelectorAll(".menu-list :is(a, button, summary, input)")]
    .filter((item) => item.offsetParent && !item.disabled && item.type !== "hidden");
  if (!items.length) return;
  event.preventDefault();
  const now = items.indexOf(document.activeElement);
  items.at(now < 0 ? (by > 0 ? 0 : -1) : (now + by) % items.length).focus();
});

function place(menu) {
  const list = menu.querySelector(".menu-list");
  menu.classList.remove("menu-up");
  const room = menu.closest("[data-menu-room]")?.getBoundingClientRect();
  const bottom = room?.bottom ?? innerHeight, top = room?.top ?? 0;
  const above = menu.getBoundingClientRect().top - top, { bottom: end, height } = list.getBoundingClientRect();
  menu.classList.toggle("menu-up", end > bottom && above > height);
  if (room) list.scrollIntoView({ block: "nearest" });
}

document.addEventListener("toggle", ({ target }) => {
  const menu = target.closest?.("details[data-menu][open]");
  if (!menu) return;
  place(menu);
  if (target === menu) menu.querySelector("[data-menu-focus]")?.focus();
}, true);
document.addEventListener("htmx:afterSettle", ({ target }) => {
  const menu = target.closest?.("details[data-menu][open]");
  if (menu) place(menu);
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
