// Keeps a socket to the session open. After a loss it connects again, ever more slowly, and says
// how much it knows (`since`); the server sends the rest. Reload and second tab are the same thing.
import { isLeaving } from "./leaving.js";

const FIRST_PAUSE_MS = 400, LONGEST_PAUSE_MS = 15000;
const UNAUTHENTICATED = 4401, NOT_FOUND = 4404;

let isOpen = false;

// Without a socket, what a form changed is seen by loading the page again.
document.body.addEventListener("htmx:afterRequest", (event) => {
  const isDone = event.detail.xhr.status === 204;
  if (isDone && document.querySelector("[data-chat-id]") && !isOpen) location.reload();
});

export function watch(chat, onEvent) {
  const offline = chat.querySelector("[data-offline]");
  let pause = FIRST_PAUSE_MS, timer = 0, socket = null;

  function connect() {
    clearTimeout(timer);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const query = new URLSearchParams({
      format: "html", lang: chat.dataset.lang, since: chat.dataset.revision,
    });
    const path = chat.dataset.socket ?? `/ws/chat/${chat.dataset.chatId}/`;
    socket = new WebSocket(`${scheme}://${location.host}${path}?${query}`);
    socket.onopen = () => { isOpen = true; };
    socket.onmessage = ({ data }) => {
      pause = FIRST_PAUSE_MS;
      offline.hidden = true;
      const event = JSON.parse(data);
      if (event.type === "state") note(event);
      onEvent(event);
    };
    socket.onclose = ({ code }) => {
      isOpen = false;
      if (isLeaving()) return;
      if (code === UNAUTHENTICATED) location.reload();
      else if (code === NOT_FOUND) location.assign(chat.dataset.home ?? "/chat/");
      else later();
    };
  }

  // Of several conversations at once, each has its own revision.
  function note({ revision, column }) {
    const known = chat.dataset.revision.split(",");
    known[column ? column - 1 : 0] = revision;
    chat.dataset.revision = known.join(",");
  }

  function later() {
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    if (pause > FIRST_PAUSE_MS * 2) show();
    timer = setTimeout(connect, pause * (0.7 + Math.random() * 0.6));
  }

  function show() {
    offline.querySelector("span").textContent = chat.dataset.textOffline;
    offline.hidden = false;
  }

  function now() {
    if (socket.readyState === WebSocket.CLOSED) connect();
  }

  window.addEventListener("online", now);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) now(); });
  window.addEventListener("pagehide", () => { socket.onclose = null; socket.close(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  connect();
}
