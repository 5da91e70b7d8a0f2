// Shows what the socket tells. A state holds messages as markup; a delta is text that was added:
// `thinking` as text, `settled` as markup to append, `tail` as markup of the block at the end. When
// an answer ends, its blocks stay: only the `rest` is added, and everything around them is new.
import { decorate } from "./chat-code.js";
import { keepingPlace } from "./chat-scroll.js";

const chat = document.querySelector("[data-chat]");
const page = { turns: document.querySelector("[data-turns]"), keepingPlace };
const announce = document.querySelector("[data-announce]");
const thinkingSince = new Map();

function find(turns, id) {
  return turns.querySelector(`[data-message="${id}"]`);
}

// `shown`: the place of the conversation, where a page has several.
export function applyState(event, shown = page) {
  for (const place of document.querySelectorAll("[data-chat-title]")) {
    if (event.title) place.textContent = event.title;
  }
  shown.keepingPlace(() => {
    const kept = new Set(event.order);
    for (const old of shown.turns.querySelectorAll("[data-message]")) {
      if (!kept.has(old.dataset.message)) old.remove();
    }
    for (const message of event.messages) place(message, shown.turns);
  });
  const isAnswering = Boolean(chat.querySelector("[data-status=streaming]"));
  chat.toggleAttribute("data-answering", isAnswering);
  const dot = document.querySelector(".session-link[aria-current] .session-live");
  if (!isAnswering) dot?.remove();
}

function place(message, turns) {
  const holder = document.createElement("template");
  holder.innerHTML = message.html;
  const fresh = holder.content.querySelector("[data-message]");
  const old = find(turns, message.id);
  if (old) carryOver(old, fresh);
  if (old && message.rest !== undefined) {
    renewAround(old.querySelector("[data-answer]"), fresh, message.rest);
    return;
  }
  if (old) {
    old.replaceWith(fresh);
  } else {
    const later = [...turns.querySelectorAll("[data-message]")]
      .find((each) => Number(each.dataset.position) > message.position);
    if (later) later.before(fresh); else turns.append(fresh);
  }
  decorate(fresh);
  window.htmx?.process(fresh);
}

// The blocks of a long answer are neither moved nor looked at again.
function renewAround(answer, fresh, rest) {
  const article = answer.parentElement, inner = fresh.querySelector("[data-answer]");
  answer.querySelector("[data-tail]").remove();
  settle(answer.querySelector("[data-settled]"), rest);
  for (const child of [...article.children]) if (child !== answer) child.remove();
  let isBefore = true;
  for (const child of [...fresh.children]) {
    if (child === inner) isBefore = false;
    else if (isBefore) answer.before(child);
    else article.append(child);
    if (child !== inner) window.htmx?.process(child);
  }
  article.removeAttribute("aria-busy");
  article.dataset.status = fresh.dataset.status;
}

// What the reader did stays: thoughts they opened or closed.
function carryOver(old, fresh) {
  const was = old.querySelector("[data-thoughts]"), is = fresh.querySelector("[data-thoughts]");
  if (was?.dataset.touched && is) {
    is.open = was.open;
    is.dataset.touched = "yes";
  }
  if (old.dataset.status === "streaming" && fresh.dataset.status !== "streaming") {
    const cut = fresh.querySelector(".interruption, .notice-danger");
    announce.textContent = cut?.textContent.trim() || chat.dataset.textDone;
    thinkingSince.delete(old.dataset.message);
  }
}

export function applyDelta(event, shown = page) {
  const message = find(shown.turns, event.id);
  if (!message || message.dataset.status !== "streaming") return;
  shown.keepingPlace(() => {
    if (event.thinking) think(message, event.thinking);
    if (event.tail === undefined) return;
    if (event.settled) settle(message.querySelector("[data-settled]"), event.settled);
    const tail = message.querySelector("[data-tail]");
    tail.innerHTML = event.tail;
    decorate(tail);
    message.querySelector("[data-waiting]").hidden = true;
    endThinking(message);
  });
}

// Only what is new is looked at: an answer may have hundreds of blocks.
function settle(settled, html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  decorate(holder.content, { isWatched: true });
  settled.append(holder.content);
}

function think(message, text) {
  const thoughts = message.querySelector("[data-thoughts]");
  const id = message.dataset.message;
  if (!thinkingSince.has(id)) thinkingSince.set(id, performance.now());
  thoughts.hidden = false;
  message.querySelector("[data-waiting]").hidden = true;
  message.querySelector("[data-thinking]").append(text);
}

function endThinking(message) {
  const since = thinkingSince.get(message.dataset.message);
  if (since === undefined) return;
  thinkingSince.delete(message.dataset.message);
  const seconds = ((performance.now() - since) / 1000).toFixed(1);
  message.querySelector("[data-thoughts-label]").textContent =
    chat.dataset.textThought.replace("{seconds}", seconds);
  const thoughts = message.querySelector("[data-thoughts]");
  if (!thoughts.dataset.touched) thoughts.open = false;
}

chat?.addEventListener("click", (event) => {
  const summary = event.target.closest("[data-thoughts] > summary");
  if (summary) summary.parentElement.dataset.touched = "yes";
});
