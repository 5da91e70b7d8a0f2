// How curves are drawn, for all charts of a page at once: smoothing, logarithms, along steps or time,
// and which part. All of it is in the address of the page. `draw()` is called whenever that changes; `onRange(range)` for a new part.
import { remember, remembered } from "./remembered.js";

const rangeOf = (text) => {
  const ends = (text || "").split("~").map(Number);
  return ends.length === 2 && ends[0] < ends[1] ? ends : null;
};

export class View {
  constructor(page, draw, onRange = () => {}) {
    const tools = page.querySelector("[data-curve-tools]");
    const find = (name) => tools.querySelector(`[data-${name}]`);
    this.whole = find("zoom-reset");
    this.restore(find);
    find("smooth").addEventListener("input", (event) => { this.smoothen(find, event.target.value); draw(); });
    find("smooth").addEventListener("change", () => remember({ smooth: this.smooth || null }));
    find("log-scale").addEventListener("change", (event) => {
      this.isLog = event.target.checked;
      remember({ scale: this.isLog ? "log" : null });
      draw();
    });
    find("axis").addEventListener("change", (event) => {
      this.axis = event.target.value;
      remember({ along: this.axis === "step" ? null : this.axis });
      this.show(null);
      onRange(null);
      draw();
    });
    const look = (range) => { this.show(range); onRange(range); draw(); };
    this.whole.addEventListener("click", () => look(null));
    page.addEventListener("chart-zoom", (event) => look(event.detail.range));
    this.look = look;
  }

  // The controls say what the address says, whatever the browser has filled in.
  restore(find) {
    this.smoothen(find, remembered("smooth") || 0);
    this.isLog = find("log-scale").checked = remembered("scale") === "log";
    this.axis = find("axis").value = remembered("along") === "time" ? "time" : "step";
    this.range = rangeOf(remembered("part"));
    this.whole.hidden = !this.range;
  }

  smoothen(find, value) {
    find("smooth").value = value;
    this.smooth = Number(find("smooth").value);
    find("smooth-value").textContent = this.smooth.toFixed(2);
  }

  // Wider than everything is everything.
  show(range) {
    this.range = range && this.limits && range[0] <= this.limits[0] && range[1] >= this.limits[1] ? null : range;
    this.whole.hidden = !this.range;
    remember({ part: this.range ? this.range.map((end) => Number(end.toPrecision(12))).join("~") : null });
  }

  // A point is [step, at, value].
  x(point) {
    return this.axis === "time" ? point[1] : point[0];
  }

  // What each chart is told besides its lines.
  prepare(chart) {
    if (this.axis === "time") chart.dataset.x = "time";
    else delete chart.dataset.x;
    return { range: this.range, isLog: this.isLog };
  }
}
