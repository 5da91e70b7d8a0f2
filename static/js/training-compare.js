// Several runs on one chart each; the server tells every curve in few points.
import { smooth } from "./chart-axis.js";
import { update } from "./chart.js";
import { View } from "./training-view.js";

const page = document.querySelector("[data-compare]");
const charts = [...page.querySelectorAll("[data-curve]")];
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const view = new View(page, draw);
const ids = read("compared-ids"), names = read("compared-names");
let runs = [];

// Runs began at different times: along time they are laid over one another from their first point.
function line(name, run, i) {
  const start = Math.min(...Object.values(run.series).flatMap((points) => points.slice(0, 1).map((p) => p[1])));
  const place = (point) => (view.axis === "time" ? (point[1] - start) / 60 : point[0]);
  const pairs = (run.series[name] || []).map((point) => [place(point), point[2]]);
  return { name: names[i], points: smooth(pairs, view.smooth), pale: view.smooth ? pairs : null };
}

function draw() {
  for (const chart of charts) {
    const lines = runs.map((run, i) => line(chart.dataset.names, run, i));
    chart.closest("figure").hidden = runs.length > 0 && lines.every((each) => !each.points.length);
    update(chart, lines, { range: view.range, isLog: view.isLog });
  }
}

const answer = await fetch(`/api/v1/training/compare?${new URLSearchParams(ids.map((id) => ["jobs", id]))}`);
if (answer.ok) runs = (await answer.json()).jobs;
draw();
page.dataset.ready = "";
