// The curves of a job. At first the server tells each in few points, then new ones follow; who looks
// closer gets the points of that part. A step that is told again replaces the former point.
import { smooth } from "./chart-axis.js";
import { update } from "./chart.js";
import { View } from "./training-view.js";
const GIB = 1024 ** 3;
const NAMED_BY_CHART = new Set(["cpu", "memory"]);
const FINER_AFTER_MS = 150;
const REFUSED = [401, 404];

export class Curves {
  constructor(page, address) {
    this.address = address;
    this.series = { metrics: new Map(), hardware: new Map() };
    this.hardwareStep = 0;
    this.finer = null;
    this.marks = [];
    this.charts = [...page.querySelectorAll("[data-curve]")];
    this.isDue = false;
    this.view = new View(page, () => this.request(), (range) => this.lookCloser(range));
    this.attempt = null;
    this.lookCloser(this.view.range);
    this.draw();
  }

  // All anew; the cursors to go on from. An attempt that begins takes back what an earlier one told
  // after its last checkpoint: `attempt` is the last one whose beginning these points know of.
  async load(attempt = 0) {
    const answer = await fetch(this.address);
    if (REFUSED.includes(answer.status)) return {}; // the socket says what that means
    if (!answer.ok) throw new Error(`curves: ${answer.status}`);
    const { series, hardware, next, attempt: begun } = await answer.json();
    this.series = { metrics: new Map(), hardware: new Map() };
    this.marks = [];
    this.attempt = Math.max(attempt, begun);
    for (const [name, points] of Object.entries(series)) {
      this.series.metrics.set(name, new Map(points.map((point) => [point[0], point])));
    }
    this.addHardware(hardware);
    return next;
  }

  put(kind, name, key, point) {
    if (!Number.isFinite(point[2])) return;
    if (!this.series[kind].has(name)) this.series[kind].set(name, new Map());
    this.series[kind].get(name).set(key, point);
  }

  addMetrics(rows) {
    for (const { step, at, epoch, ...values } of rows) {
      for (const [name, value] of Object.entries(values)) this.put("metrics", name, step, [step, at, value]);
    }
    this.request();
  }

  addHardware(samples) {
    for (const { at, step, cpu_percent: cpu, rss_bytes: rss, gpus } of samples) {
      // An attempt that has just begun names no step: the curve waits where the last one left off.
      this.hardwareStep = step ?? this.hardwareStep;
      const put = (name, value) => this.put("hardware", name, at, [this.hardwareStep, at, value]);
      put("cpu", cpu);
      put("memory", rss === null ? NaN : rss / GIB);
      for (const gpu of gpus) {
        put(`gpu ${gpu.index}`, gpu.percent);
        put(`gpu_memory ${gpu.index}`, gpu.used_bytes / GIB);
      }
    }
    this.request();
  }

  addMarks(items) {
    for (const { step, at, title } of items) this.marks.push({ step, at, text: title });
    this.request();
  }

  // The part of the run in which a step lies.
  around(step) {
    const limits = this.view.limits;
    if (!limits || this.view.axis !== "step") return;
    const room = Math.max(20, (limits[1] - limits[0]) / 10);
    this.view.look([Math.max(limits[0], step - room), Math.min(limits[1], step + room)]);
  }

  lookCloser(range) {
    clearTimeout(this.timer);
    this.finer = null;
    if (!range || this.view.axis !== "step") return;
    const query = new URLSearchParams({ first: Math.max(0, Math.floor(range[0])), last: Math.max(0, Math.ceil(range[1])) });
    this.timer = setTimeout(async () => {
      const answer = await fetch(`${this.address}?${query}`).catch(() => null);
      if (!answer?.ok || this.view.range !== range) return;
      this.finer = (await answer.json()).series;
      this.request();
    }, FINER_AFTER_MS);
  }

  request() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => { this.isDue = false; this.draw(); });
  }

  pointsOf(kind, name) {
    const known = this.series[kind].get(name);
    if (!known) return [];
    const all = [...known.values()];
    const told = kind === "metrics" && this.finer?.[name];
    if (!told?.length) return all.sort((a, b) => a[1] - b[1]);
    const [first, last] = [told[0][0], told.at(-1)[0]];
    return [...all.filter((p) => p[0] < first), ...told, ...all.filter((p) => p[0] > last)].sort((a, b) => a[0] - b[0]);
  }

  draw() {
    const losses = this.pointsOf("metrics", "loss");
    if (losses.length) this.view.limits = [losses[0], losses.at(-1)].map((point) => this.view.x(point));
    for (const chart of this.charts) {
      const kind = chart.dataset.curve, names = this.namesIn(chart);
      const lines = names.map((name) => this.line(chart, name, this.pointsOf(kind, name)));
      const card = chart.closest("[data-optional]");
      if (card) card.hidden = lines.length === 0;
      const marks = kind === "metrics" && names.includes("loss") ? this.marks.map((mark) => ({ x: this.view.x([mark.step, mark.at]), text: mark.text })) : [];
      update(chart, lines, { ...this.view.prepare(chart), marks });
    }
  }

  line(chart, name, points) {
    const pairs = points.map((point) => [this.view.x(point), point[2]]);
    const smoothed = smooth(pairs, this.view.smooth);
    const title = NAMED_BY_CHART.has(name) ? chart.dataset.label : name.replace(/^(gpu_memory|gpu) /, "GPU ");
    return { name: title, points: smoothed, pale: this.view.smooth ? pairs : null };
  }

  // "gpu" stands for each GPU there is.
  namesIn(chart) {
    const wanted = chart.dataset.names.split(",");
    if (!chart.closest("[data-optional]")) return wanted;
    return [...this.series.hardware.keys()].filter((name) => wanted.some((each) => name.startsWith(`${each} `)));
  }
}
