// The job page lives from one socket: parts of the page, curves and log follow what happens.
// Events: docs/events.md, section Training. A lost socket goes on from its cursors.
import { isLeaving } from "./leaving.js";
import { Curves } from "./training-curves.js";
import { Terminal } from "./training-log.js";
import { LogSearch } from "./training-log-search.js";
import { toast } from "./toasts.js";

const GONE = [4401, 4404];
const page = document.querySelector("[data-training-job]");
const address = `/api/v1/training/jobs/${page.dataset.trainingJob}`;
const curves = new Curves(page, `${address}/curves`);
const terminal = new Terminal(page.querySelector("[data-log]"), page.querySelector("[data-log-follow]"), `${address}/logs`);
new LogSearch(page, terminal, `${address}/logs/search`);
const cursors = {};
let wait = 500;

function show(event) {
  for (const [name, html] of Object.entries(event.html || {})) {
    const part = page.querySelector(`[data-part="${name}"]`);
    part.innerHTML = html;
    window.htmx.process(part);
    document.dispatchEvent(new CustomEvent("htmx:load", { detail: { elt: part } }));
  }
  if (!event.actions) return;
  for (const form of page.querySelectorAll("[data-verb]")) {
    form.hidden = !event.actions.includes(form.dataset.verb);
  }
}

const handlers = {
  job: show,
  metrics: (event) => curves.addMetrics(event.items),
  hardware: (event) => curves.addHardware(event.items),
  log: (event) => terminal.append(event.first, event.lines),
  notes: (event) => { show(event); curves.addMarks(event.items); },
  samples: show,
};

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const query = new URLSearchParams({ format: "html", lang: page.dataset.lang, ...cursors });
  const socket = new WebSocket(`${scheme}://${location.host}/ws/training/${page.dataset.trainingJob}/?${query}`);
  socket.addEventListener("message", ({ data }) => {
    const event = JSON.parse(data);
    wait = 500;
    if ("next" in event) cursors[event.type] = event.next;
    handlers[event.type]?.(event);
    page.dataset.live = "";
  });
  socket.addEventListener("close", ({ code }) => {
    delete page.dataset.live;
    if (code === GONE[0] && !isLeaving()) location.reload();
    else if (code === GONE[1]) toast("error", page.dataset.textGone);
    else setTimeout(connect, wait = Math.min(wait * 2, 10_000));
  });
}

page.addEventListener("click", ({ target }) => {
  const step = Number(target.closest("[data-show-step]")?.dataset.showStep);
  if (step) curves.around(step);
});

// What there is comes in few points; the socket goes on from there.
Object.assign(cursors, await curves.load());
connect();
