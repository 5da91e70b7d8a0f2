// The list of chats (a drawer on phones), the settings, and the dialog that renames.
const PHONE = matchMedia("(max-width: 860px)");
const chat = document.querySelector("[data-chat]");
const PANELS = ["sessions", "settings"];

function set(name, isOpen) {
  chat.classList.toggle(`${name}-open`, isOpen);
  tellToggles(name, isOpen);
}

function tellToggles(name, isOpen) {
  for (const toggle of document.querySelectorAll(`[data-panel-toggle="${name}"]`)) {
    toggle.setAttribute("aria-expanded", String(isOpen));
  }
}

function isOpen(name) {
  return chat.classList.contains(`${name}-open`);
}

// Beside the conversation the list is there unless one has closed it, which the server is told too.
function setList(isOpen) {
  if (PHONE.matches) {
    set("sessions", isOpen);
    return;
  }
  chat.classList.toggle("sessions-closed", !isOpen);
  const value = isOpen ? "open" : "closed";
  document.cookie = `chat_list=${value};path=/chat/;max-age=31536000;samesite=lax`;
  tellToggles("sessions", isOpen);
}

function isListOpen() {
  return PHONE.matches ? isOpen("sessions") : !chat.classList.contains("sessions-closed");
}

export function showList() {
  if (!isListOpen()) setList(true);
}

export function toggleList() {
  setList(!isListOpen());
}

document.addEventListener("click", (event) => {
  const toggle = event.target.closest("[data-panel-toggle]");
  if (toggle?.dataset.panelToggle === "sessions") toggleList();
  else if (toggle) set(toggle.dataset.panelToggle, !isOpen(toggle.dataset.panelToggle));
  else if (event.target.closest("[data-panel-close]")) PANELS.forEach((name) => set(name, false));
});
document.addEventListener("keydown", (event) => {
  const isFree = !document.querySelector("dialog[open], details[data-menu][open]");
  if (event.key === "Escape" && isFree && chat) PANELS.forEach((name) => set(name, false));
});
if (document.querySelector("#settings[data-open]")) set("settings", true);
if (chat && PHONE.matches) tellToggles("sessions", isOpen("sessions"));

const dialog = document.querySelector("[data-rename-dialog]");
const heading = dialog?.querySelector("[data-rename-heading]");
const input = dialog?.querySelector("input[name=title]");
const chatHeading = heading?.textContent;
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-rename]");
  if (button) {
    dialog.querySelector("form").action = button.dataset.rename;
    heading.textContent = button.dataset.renameHeading || chatHeading;
    input.name = button.dataset.renameField || "title";
    input.maxLength = button.dataset.renameField ? 80 : 200;
    input.value = button.dataset.renameTitle;
    button.closest("details").open = false;
    dialog.showModal();
    input.select();
  } else if (event.target.closest("[data-rename-cancel]")) {
    dialog.close();
  }
});
