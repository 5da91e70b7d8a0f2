// The curves of a job: points arrive in pieces, a step that is told again replaces the former one,
// and the charts are drawn once a frame.
import { update } from "./chart.js";
const GIB = 1024 ** 3;
const NAMED_BY_CHART = new Set(["cpu", "memory"]);

export class Curves {
  constructor(page) {
    this.metrics = new Map();
    this.hardware = new Map();
    this.charts = [...page.querySelectorAll("[data-curve]")];
    this.isDue = false;
    this.draw();
  }

  addMetrics(rows) {
    for (const row of rows) this.metrics.set(row.step, { ...this.metrics.get(row.step), ...row });
    this.request();
  }

  addHardware(samples) {
    for (const sample of samples) {
      const row = { cpu: sample.cpu_percent, memory: sample.rss_bytes === null ? null : sample.rss_bytes / GIB };
      for (const gpu of sample.gpus) {
        row[`gpu ${gpu.index}`] = gpu.percent;
        row[`gpu_memory ${gpu.index}`] = gpu.used_bytes / GIB;
      }
      this.hardware.set(sample.at, row);
    }
    this.request();
  }

  request() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => { this.isDue = false; this.draw(); });
  }

  draw() {
    for (const chart of this.charts) {
      const rows = [...this[chart.dataset.curve]].sort((a, b) => a[0] - b[0]);
      const series = this.namesIn(chart, rows).map((name) => ({
        name: NAMED_BY_CHART.has(name) ? chart.dataset.label : name.replace(/^(gpu_memory|gpu) /, "GPU "),
        points: rows.filter(([, row]) => Number.isFinite(row[name])).map(([x, row]) => [x, row[name]]),
      }));
      const card = chart.closest("[data-optional]");
      if (card) card.hidden = series.length === 0;
      update(chart, series);
    }
  }

  // "gpu" stands for each GPU there is.
  namesIn(chart, rows) {
    const wanted = chart.dataset.names.split(",");
    if (!chart.closest("[data-optional]")) return wanted;
    const known = Object.keys(rows.at(-1)?.[1] || {});
    return known.filter((name) => wanted.some((each) => name.startsWith(`${each} `)));
  }
}
