// The chart as a table, for screen readers and for copying: filled when it is opened.
import { format, formatX } from "./chart-axis.js";
const ROWS = 200;

function cell(name, text) {
  const made = document.createElement(name);
  if (name === "th") made.scope = "col";
  made.textContent = text;
  return made;
}

function fill(table, element, lines) {
  const xs = [...new Set(lines.flatMap((line) => line.points.map((p) => p[0])))].sort((a, b) => a - b);
  const stride = Math.ceil(xs.length / ROWS);
  const values = lines.map((line) => new Map(line.points));
  const head = document.createElement("tr");
  head.append(cell("th", element.dataset.textX || ""), ...lines.map((line) => cell("th", line.name)));
  const rows = xs.filter((x, i) => i % stride === 0 || i === xs.length - 1).map((x) => {
    const row = document.createElement("tr");
    row.append(cell("td", formatX(x, element.dataset.x)), ...values.map((known) => cell("td", format(known.get(x)))));
    return row;
  });
  const [thead, tbody] = [document.createElement("thead"), document.createElement("tbody")];
  thead.append(head);
  tbody.append(...rows);
  table.replaceChildren(thead, tbody);
}

// A <details> below the chart; `linesOf()` gives what the chart shows at that time. Returns what
// brings an open table up to date.
export function addTable(element, linesOf) {
  if (!element.dataset.textTable) return () => {};
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const wrap = document.createElement("div");
  const table = document.createElement("table");
  details.className = "chart-table";
  summary.textContent = element.dataset.textTable;
  wrap.className = "chart-table-wrap";
  wrap.tabIndex = 0;
  table.className = "table";
  wrap.append(table);
  details.append(summary, wrap);
  const refresh = () => { if (details.open) fill(table, element, linesOf()); };
  details.addEventListener("toggle", refresh);
  element.append(details);
  return refresh;
}
