// Enter sends (never while an input method composes), Shift+Enter breaks the line. What was written
// stays until the server has taken it.
import { forgetFiles, hasFiles, isSending } from "./chat-files.js";
import { toEnd } from "./chat-scroll.js";

const form = document.querySelector("[data-composer]");
const text = form?.querySelector("[data-composer-text]");
const chat = document.querySelector("[data-chat]");
const problems = document.querySelector("#composer-problems");
const ENTER_OF_AN_INPUT_METHOD = 229;

function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
}

text?.addEventListener("input", grow);
text?.addEventListener("keydown", (event) => {
  const isComposing = event.isComposing || event.keyCode === ENTER_OF_AN_INPUT_METHOD;
  if (event.key !== "Enter" || event.shiftKey || isComposing) return;
  event.preventDefault();
  if (isSending() || chat.hasAttribute("data-answering")) return;
  if (text.value.trim() || hasFiles()) form.requestSubmit(form.querySelector("[data-send]"));
});

// A page form that is on its way is not sent again.
form?.addEventListener("submit", (event) => {
  if (form.hasAttribute("hx-post")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => { if (form) delete form.dataset.sent; });

document.body.addEventListener("htmx:beforeRequest", () => problems?.replaceChildren());
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status !== 204) return;
  if (event.detail.elt === form) {
    text.value = "";
    forgetFiles();
    grow();
    toEnd();
  }
  event.detail.elt.closest?.("details.edit")?.removeAttribute("open");
});
// One press of the button or of Escape stops the answer.
document.addEventListener("keydown", (event) => {
  const isFree = !document.querySelector("dialog[open], details[data-menu][open]");
  if (event.key === "Escape" && isFree && chat?.hasAttribute("data-answering")) {
    document.querySelector("#stop-form")?.requestSubmit();
  }
});
if (text) {
  grow();
  if (matchMedia("(pointer: fine)").matches) text.focus({ preventScroll: true });
  text.setSelectionRange(text.value.length, text.value.length);
}
