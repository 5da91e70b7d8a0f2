// Toasts: from the page, from an HX-Trigger {"toast": {level, text}}, from the bell, and for failed requests.
const host = document.querySelector("[data-toasts]");
const LIFETIME_MS = 6000, UNDO_MS = 12000;

export function toast(level, text) {
  const box = document.createElement("div");
  box.className = `toast toast-${level}`;
  box.dataset.toast = "";
  const words = document.createElement("span");
  words.className = "grow";
  words.textContent = text;
  const close = document.createElement("button");
  close.className = "button button-quiet button-small";
  close.type = "button";
  close.dataset.toastClose = "";
  close.setAttribute("aria-label", document.body.dataset.textClose);
  close.textContent = "×";
  box.append(words, close);
  host.append(box);
}

function expire(box) {
  // An error stays until it has been read and closed.
  if (box.classList.contains("toast-error")) return;
  const lifetime = box.querySelector("[data-toast-undo]") ? UNDO_MS : LIFETIME_MS;
  setTimeout(function end() {
    // Nor does one go that somebody is about to press.
    if (box.matches(":hover, :focus-within")) setTimeout(end, lifetime);
    else box.remove();
  }, lifetime);
}

host.querySelectorAll("[data-toast]").forEach(expire);
// Those made here, and those the bell brings when something has ended.
new MutationObserver((changes) => {
  for (const node of changes.flatMap((change) => [...change.addedNodes])) if (node.matches?.("[data-toast]")) expire(node);
}).observe(host, { childList: true });
host.addEventListener("click", (event) => {
  if (event.target.closest("[data-toast-close]")) event.target.closest("[data-toast]").remove();
});
document.body.addEventListener("toast", (event) => toast(event.detail.level, event.detail.text));
document.body.addEventListener("htmx:responseError", (event) => {
  const { textStale, textFailed } = document.body.dataset;
  // Trying again is of no use where the session is over.
  toast("error", [401, 403].includes(event.detail.xhr.status) ? textStale : textFailed);
});
document.body.addEventListener("htmx:sendError", () => toast("error", document.body.dataset.textOffline));
