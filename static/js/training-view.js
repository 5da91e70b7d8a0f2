// How curves are drawn, for all charts of a page at once: smoothing, logarithms, along steps or time,
// and which part. `draw()` is called whenever that changes; `onRange(range)` for a new part.
export class View {
  constructor(page, draw, onRange = () => {}) {
    this.smooth = 0;
    this.isLog = false;
    this.axis = "step";
    this.range = null;
    const tools = page.querySelector("[data-curve-tools]");
    const find = (name) => tools.querySelector(`[data-${name}]`);
    this.whole = find("zoom-reset");
    find("smooth").addEventListener("input", (event) => {
      this.smooth = Number(event.target.value);
      find("smooth-value").textContent = this.smooth.toFixed(2);
      draw();
    });
    find("log-scale").addEventListener("change", (event) => { this.isLog = event.target.checked; draw(); });
    find("axis").addEventListener("change", (event) => {
      this.axis = event.target.value;
      this.show(null);
      onRange(null);
      draw();
    });
    const look = (range) => { this.show(range); onRange(range); draw(); };
    this.whole.addEventListener("click", () => look(null));
    page.addEventListener("chart-zoom", (event) => look(event.detail.range));
    this.look = look;
  }

  // Wider than everything is everything.
  show(range) {
    this.range = range && this.limits && range[0] <= this.limits[0] && range[1] >= this.limits[1] ? null : range;
    this.whole.hidden = !this.range;
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
