// Line charts of our own: <div data-chart data-label> with JSON {series: [{name, points: [[x, y]]}]}
// inside, or update(element, series) as often as one likes. Charts with the same data-sync share
// their crosshair. data-x="time": x is unix seconds. Texts: data-text-empty, -table, -x.
// update()'s third argument: {range: [x0, x1], isLog, marks: [{x, text}]}; a line may have `pale`
// points, drawn faintly behind it. Who looks closer is told by chart-zoom.js.
import { format, formatX, scaleOf, thin, within } from "./chart-axis.js";
import { addTable } from "./chart-table.js";
import { addZoom } from "./chart-zoom.js";
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
  for (const value of scale.marks) {
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

function curve(points, kind, scale) {
  if (points.length === 1) {
    const [x, y] = points[0];
    return node("circle", { class: `dot ${kind}`, cx: scale.x(x), cy: scale.y(y), r: 2.5 });
  }
  const steps = thin(points, 800).map(([x, y]) => `${scale.x(x).toFixed(1)} ${scale.y(y).toFixed(1)}`);
  return node("path", { class: `curve ${kind}`, d: `M${steps.join("L")}` });
}

function mark({ x, text }, scale) {
  const at = scale.x(x), made = node("g", { class: "chart-mark" });
  made.append(node("title", {}, text), node("line", { x1: at, x2: at, y1: PAD.top, y2: HEIGHT - PAD.bottom }));
  made.append(node("circle", { cx: at, cy: PAD.top, r: 4.5 }));
  return made;
}

// A clip keeps what lies beyond the shown part inside the chart's box.
function clip(id, width) {
  const made = node("clipPath", { id });
  made.append(node("rect", { x: PAD.left, y: 0, width: Math.max(0, width - PAD.left - PAD.right), height: HEIGHT }));
  return made;
}

function drawn(chart, scale, isLog, range) {
  const shown = (points) => within(isLog ? points.filter(([, y]) => y > 0) : points, range);
  const group = node("g", { "clip-path": `url(#${chart.id})` });
  for (const line of chart.lines) {
    const pale = shown(line.pale || []), points = shown(line.points);
    if (pale.length > 1) group.append(curve(pale, `pale series-${line.colour}`, scale));
    if (points.length) group.append(curve(points, `series-${line.colour}`, scale));
  }
  return group;
}

function create(element) {
  const svg = node("svg", { role: "img" });
  const legend = document.createElement("div");
  legend.className = "chart-legend";
  element.append(svg, legend);
  const chart = { id: `chart-${charts.size}`, svg, legend, lines: [], scale: null, cursor: null, options: {} };
  charts.set(element, chart);
  addZoom(element, svg, () => chart.scale);
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

export function update(element, series, options = {}) {
  const chart = charts.get(element) || create(element);
  chart.options = options;
  // Each keeps its colour, also where another one has no points.
  chart.lines = series.map((line, i) => ({ ...line, colour: i + 1 })).filter((line) => line.points.length);
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
  const { range, isLog, marks = [] } = chart.options;
  const scale = chart.scale = scaleOf(chart.lines, width, HEIGHT, PAD, chart.options);
  chart.cursor = node("line", { class: "cursor", y1: PAD.top, y2: HEIGHT - PAD.bottom, visibility: "hidden" });
  const seen = marks.filter(({ x }) => x >= scale.x0 && x <= scale.x1).map((each) => mark(each, scale));
  const curves = drawn(chart, scale, isLog, range);
  chart.svg.replaceChildren(clip(chart.id, width), ...axes(scale, width, element.dataset.x), curves, ...seen, chart.cursor);
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
  legend.replaceChildren(...lines.map((line) => {
    const point = isInside ? nearest(line.points, x) : line.points.at(-1);
    const key = document.createElement("span");
    key.className = `chart-key key-${line.colour}`;
    key.textContent = `${line.name} ${format(point[1])} · ${formatX(point[0], element.dataset.x)}`;
    return key;
  }));
}

for (const element of document.querySelectorAll("[data-chart]")) {
  const given = element.querySelector('script[type="application/json"]');
  if (given) update(element, JSON.parse(given.textContent).series);
}
