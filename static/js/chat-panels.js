// The list of chats (a drawer on phones), the settings, and the dialog that renames.
const chat = document.querySelector("[data-chat]");
const PANELS = ["sessions", "settings"];

function set(name, isOpen) {
  chat.classList.toggle(`${name}-open`, isOpen);
  for (const toggle of document.querySelectorAll(`[data-panel-toggle="${name}"]`)) {
    toggle.setAttribute("aria-expanded", String(isOpen));
  }
}

function isOpen(name) {
  return chat.classList.contains(`${name}-open`);
}

document.addEventListener("click", (event) => {
  const toggle = event.target.closest("[data-panel-toggle]");
  if (toggle) set(toggle.dataset.panelToggle, !isOpen(toggle.dataset.panelToggle));
  else if (event.target.closest("[data-panel-close]")) PANELS.forEach((name) => set(name, false));
});
document.addEventListener("keydown", (event) => {
  const isFree = !document.querySelector("dialog[open], details[data-menu][open]");
  if (event.key === "Escape" && isFree && chat) PANELS.forEach((name) => set(name, false));
});
if (document.querySelector("#settings[data-open]")) set("settings", true);

const dialog = document.querySelector("[data-rename-dialog]");
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-rename]");
  if (button) {
    const form = dialog.querySelector("form");
    form.action = button.dataset.rename;
    form.elements.title.value = button.dataset.renameTitle;
    button.closest("details").open = false;
    dialog.showModal();
    form.elements.title.select();
  } else if (event.target.closest("[data-rename-cancel]")) {
    dialog.close();
  }
});
