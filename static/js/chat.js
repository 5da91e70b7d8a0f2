// The chat page: [data-chat] holds its texts; a session that is shown to its end is watched live.
import "./chat-bases.js";
import "./chat-composer.js";
import "./chat-folders.js";
import "./chat-keys.js";
import "./chat-panels.js";
import "./chat-copy.js";
import { decorate } from "./chat-code.js";
import { found } from "./chat-found.js";
import { toEnd, toPlace } from "./chat-scroll.js";
import { watch } from "./chat-socket.js";
import { applyDelta, applyState } from "./chat-turns.js";

const chat = document.querySelector("[data-chat]");

decorate(document);
const place = found();
if (place) toPlace(place); else toEnd();
if (chat?.dataset.chatId) {
  watch(chat, (event) => {
    if (event.type === "state") applyState(event);
    else if (event.type === "delta") applyDelta(event);
  });
}
