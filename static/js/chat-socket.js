// Watches a conversation, or several at once. Each reconnection says how much is known already
// (`since`); the server sends the rest. Reload and second tab are the same thing.
import { live } from "./live.js";

let isLive = false;

// Without a socket, what a form changed is seen by loading the page again.
document.body.addEventListener("htmx:afterRequest", (event) => {
  const isDone = event.detail.xhr.status === 204;
  if (isDone && document.querySelector("[data-chat-id]") && !isLive) location.reload();
});

export function watch(chat, onEvent) {
  const offline = chat.querySelector("[data-offline]");

  function path() {
    const query = new URLSearchParams({
      format: "html", lang: chat.dataset.lang, since: chat.dataset.revision,
    });
    return `${chat.dataset.socket ?? `/ws/chat/${chat.dataset.chatId}/`}?${query}`;
  }

  // Of several conversations at once, each has its own revision.
  function note({ revision, column }) {
    const known = chat.dataset.revision.split(",");
    known[column ? column - 1 : 0] = revision;
    chat.dataset.revision = known.join(",");
  }

  function heard(event) {
    if (event.type === "state") note(event);
    onEvent(event);
  }

  live(path, heard, (state) => {
    isLive = state === "open";
    offline.hidden = state !== "away";
    if (state === "gone") location.assign(chat.dataset.home ?? "/chat/");
  });
}
