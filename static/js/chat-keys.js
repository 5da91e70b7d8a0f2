// Shortcuts of the chat page (components/shortcuts.html lists them). Never while an input method
// composes, nor behind a dialog.
import { showList, toggleList } from "./chat-panels.js";

const KEY_OF_AN_INPUT_METHOD = 229;

const CTRL_SHIFT = {
  o: () => document.querySelector("[data-new-chat]")?.click(),
  f: () => { showList(); document.querySelector("#sessions-search").select(); },
  s: toggleList,
  c: () => [...document.querySelectorAll(".message-assistant [data-copy-message]")].at(-1)?.click(),
  backspace: () => document.querySelector(".conversation-head [data-delete-chat]")?.requestSubmit(),
};
const ALT = { arrowup: () => step(-1), arrowdown: () => step(1) };

// To the chat above or below in the list; without one, to its beginning or its end.
function step(by) {
  const links = [...document.querySelectorAll(".session-link, .found-link")].filter((link) => link.offsetParent);
  const now = links.findIndex((link) => link.ariaCurrent);
  const next = now < 0 ? links.at(by > 0 ? 0 : -1) : links[now + by];
  next?.click();
}

function actionOf({ ctrlKey, metaKey, shiftKey, altKey, key }) {
  const name = key.toLowerCase();
  if ((ctrlKey || metaKey) && shiftKey && !altKey) return CTRL_SHIFT[name];
  return altKey && !ctrlKey && !metaKey && !shiftKey ? ALT[name] : undefined;
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === KEY_OF_AN_INPUT_METHOD || !event.key) return;
  const act = document.querySelector("dialog[open]") ? undefined : actionOf(event);
  if (!act) return;
  event.preventDefault();
  if (!event.repeat) act();
});
