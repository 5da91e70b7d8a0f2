// The page of a comparison: each column is a conversation of its own, watched through one socket.
import "./chat-composer.js";
import "./chat-copy.js";
import "./compare-about.js";
import { decorate } from "./chat-code.js";
import { following } from "./chat-scroll.js";
import { watch } from "./chat-socket.js";
import { applyDelta, applyState } from "./chat-turns.js";
import { together } from "./compare-scroll.js";

const chat = document.querySelector("[data-chat]");
const isAnswering = chat.hasAttribute("data-answering");
const columns = new Map();
const told = new Map();

for (const column of chat.querySelectorAll("[data-column]")) {
  const scroller = column.querySelector("[data-column-scroll]");
  const { toEnd, keepingPlace } = following(scroller, null, isAnswering);
  columns.set(Number(column.dataset.column), {
    turns: column.querySelector("[data-turns]"), keepingPlace,
  });
  if (isAnswering) toEnd();
}
decorate(document);
together(chat, document.querySelector("[data-scroll-together]"));

// Parts of the page by the id of their element; one that is told again as it was stays, with what
// was typed into it.
function showParts(parts) {
  for (const [id, html] of Object.entries(parts)) {
    const part = document.getElementById(id);
    if (!part || told.get(id) === html) continue;
    told.set(id, html);
    part.innerHTML = html;
    window.htmx?.process(part);
  }
}

watch(chat, (event) => {
  if (event.type === "comparison") showParts(event.parts);
  else if (event.type === "state") applyState(event, columns.get(event.column));
  else if (event.type === "delta") applyDelta(event, columns.get(event.column));
});
