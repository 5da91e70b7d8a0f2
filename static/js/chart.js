// Line charts of our own: <div data-chart data-label> with JSON {series: [{name, points: [[x, y]]}]}
// inside, or update(element, series) as often as one likes. Charts with the same data-sync share
// their crosshair. data-x="time": x is unix seconds. Texts: data-text-empty, -table, -x.
import { format, formatX, scaleOf, thin, ticks } from "./chart-axis.js";
import { addTable } from "./chart-table.js";
export { format };

const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 200, PAD = { left: 50, right: 12, top: 10, bottom: 22 };
const charts = new Map();
const resized = new ResizeObserver((entries) => { for (const { target } of entries) draw(target); });

function node(name, attributes = {}, text = "") {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function axes(scale, width, kind) {
  const marks = [];
  for (const value of ticks(scale.y0, scale.y1, 5)) {
    const y = scale.y(value);
    marks.push(node("line", { class: "grid-line", x1: PAD.left, x2: width - PAD.right, y1: y, y2: y }));
    marks.push(node("text", { class: "axis", x: PAD.left - 6, y: y + 4, "text-anchor": "end" }, format(value)));
  }
  for (const [value, anchor] of [[scale.x0, "start"], [scale.x1, "end"]]) {
    const at = { class: "axis", x: scale.x(value), y: HEIGHT - 4, "text-anchor": anchor };
    marks.push(node("text", at, formatX(value, kind)));
  }
  return marks;
}

function curve(line, i, scale) {
  if (line.points.length === 1) {
    const [x, y] = line.points[0];
    return node("circle", { class: `dot series-${i + 1}`, cx: scale.x(x), cy: scale.y(y), r: 2.5 });
  }
  const steps = thin(line.points, 800).map(([x, y]) => `${scale.x(x).toFixed(1)} ${scale.y(y).toFixed(1)}`);
  return node("path", { class: `curve series-${i + 1}`, d: `M${steps.join("L")}` });
}

function create(element) {
  const svg = node("svg", { role: "img" });
  const legend = document.createElement("div");
  legend.className = "chart-legend";
  element.append(svg, legend);
  const chart = { svg, legend, lines: [], scale: null, cursor: null, width: 0 };
  charts.set(element, chart);
  chart.refreshTable = addTable(element, () => chart.lines);
  svg.addEventListener("pointermove", (event) => {
    if (!chart.scale) return;
    const x = chart.scale.back(event.clientX - svg.getBoundingClientRect().left);
    for (const [each] of synced(element)) tell(each, x);
  });
  svg.addEventListener("pointerleave", () => { for (const [each] of synced(element)) tell(each, null); });
  resized.observe(element);
  return chart;
}

function synced(element) {
  return [...charts].filter(([each]) => each.dataset.sync === element.dataset.sync);
}

export function update(element, series) {
  const chart = charts.get(element) || create(element);
  chart.lines = series.filter((line) => line.points.length);
  draw(element);
  chart.refreshTable();
}

function draw(element) {
  const chart = charts.get(element);
  const width = element.clientWidth;
  if (!width) return;
  chart.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  if (!chart.lines.length) {
    chart.scale = null;
    const empty = element.dataset.textEmpty || "";
    chart.svg.setAttribute("aria-label", `${element.dataset.label}: ${empty}`);
    chart.svg.replaceChildren(node("text", { class: "axis", x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }, empty));
    chart.legend.replaceChildren();
    return;
  }
  const scale = chart.scale = scaleOf(chart.lines, width, HEIGHT, PAD);
  chart.cursor = node("line", { class: "cursor", y1: PAD.top, y2: HEIGHT - PAD.bottom, visibility: "hidden" });
  const curves = chart.lines.map((line, i) => curve(line, i, scale));
  chart.svg.replaceChildren(...axes(scale, width, element.dataset.x), ...curves, chart.cursor);
  const last = chart.lines.map((line) => `${line.name} ${format(line.points.at(-1)[1])}`).join(", ");
  chart.svg.setAttribute("aria-label", `${element.dataset.label}: ${last}`);
  tell(element, null);
}

function nearest(points, x) {
  return points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
}

function tell(element, x) {
  const { legend, lines, scale, cursor } = charts.get(element);
  if (!scale) return;
  const isInside = x !== null && x >= scale.x0 && x <= scale.x1;
  cursor.setAttribute("visibility", isInside ? "visible" : "hidden");
  if (isInside) for (const end of ["x1", "x2"]) cursor.setAttribute(end, scale.x(x));
  legend.replaceChildren(...lines.map((line, i) => {
    const point = isInside ? nearest(line.points, x) : line.points.at(-1);
    const key = document.createElement("span");
    key.className = `chart-key key-${i + 1}`;
    key.textContent = `${line.name} ${format(point[1])} · ${formatX(point[0], element.dataset.x)}`;
    return key;
  }));
}

for (const element of document.querySelectorAll("[data-chart]")) {
  const given = element.querySelector('script[type="application/json"]');
  if (given) update(element, JSON.parse(given.textContent).series);
}
