// The job page lives from one socket: parts of the page, curves and log follow what happens.
// Events: docs/events.md, section Training. A lost socket goes on from its cursors.
import { live } from "./live.js";
import { Curves } from "./training-curves.js";
import { Terminal } from "./training-log.js";
import { LogSearch } from "./training-log-search.js";
import { toast } from "./toasts.js";

const HAS_NOT_BEGUN = ["pending", "preparing"];
const page = document.querySelector("[data-training-job]");
const id = page.dataset.trainingJob, address = `/api/v1/training/jobs/${id}`;
const curves = new Curves(page, `${address}/curves`);
const terminal = new Terminal(page.querySelector("[data-log]"), page.querySelector("[data-log-follow]"), `${address}/logs`);
new LogSearch(page, terminal, `${address}/logs/search`);
const cursors = {};
let attempt = 0;

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

function showJob(event) {
  show(event);
  attempt = HAS_NOT_BEGUN.includes(event.job.status) ? attempt : event.job.attempt;
  if (attempt > curves.attempt) again();
}

const handlers = {
  job: showJob,
  metrics: (event) => curves.addMetrics(event.items),
  hardware: (event) => curves.addHardware(event.items),
  log: (event) => terminal.append(event.first, event.lines),
  notes: (event) => { show(event); curves.addMarks(event.items); },
  samples: show,
};

// What there is comes in few points; the socket goes on from there.
async function path() {
  if (curves.attempt === null || attempt > curves.attempt) {
    Object.assign(cursors, { notes: 0 }, await curves.load(attempt));
  }
  return `/ws/training/${id}/?${new URLSearchParams({ format: "html", lang: page.dataset.lang, ...cursors })}`;
}

function onEvent(event) {
  handlers[event.type]?.(event);
  if ("next" in event) cursors[event.type] = event.next;
}

function onState(state) {
  page.toggleAttribute("data-live", state === "open");
  page.querySelector("[data-offline]").hidden = state !== "away";
  if (state === "gone") toast("error", page.dataset.textGone);
}

page.addEventListener("click", ({ target }) => {
  const step = Number(target.closest("[data-show-step]")?.dataset.showStep);
  if (step) curves.around(step);
});

const again = live(path, onEvent, onState);
