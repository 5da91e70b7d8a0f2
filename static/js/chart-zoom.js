// Looking closer at a chart: drag across it, or + and − (arrows move, 0 or a double click shows all).
// What is wanted is told as an event "chart-zoom" with detail.range: [x0, x1], or null for all.
const LEAST_PX = 6;

function tell(element, range) {
  element.dispatchEvent(new CustomEvent("chart-zoom", { bubbles: true, detail: { range } }));
}

export function addZoom(element, svg, scaleNow) {
  if (!element.dataset.sync) return;
  let start = null;
  const band = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  band.setAttribute("class", "chart-band");
  const at = (event) => event.clientX - svg.getBoundingClientRect().left;

  svg.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType !== "touch" && scaleNow()) start = at(event);
  });
  svg.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const [low, high] = [Math.min(start, at(event)), Math.max(start, at(event))];
    if (high - low < LEAST_PX) return;
    svg.setPointerCapture(event.pointerId);
    const box = { x: low, width: high - low, y: 10, height: 168 };
    for (const [name, value] of Object.entries(box)) band.setAttribute(name, value);
    svg.append(band);
  });
  svg.addEventListener("pointerup", (event) => {
    const scale = scaleNow(), from = start;
    band.remove();
    start = null;
    if (from === null || !scale || Math.abs(at(event) - from) < LEAST_PX) return;
    const ends = [scale.back(from), scale.back(at(event))].sort((a, b) => a - b);
    tell(element, [Math.max(ends[0], scale.x0), Math.min(ends[1], scale.x1)]);
  });
  svg.addEventListener("pointercancel", () => { band.remove(); start = null; });
  svg.addEventListener("dblclick", () => tell(element, null));

  svg.tabIndex = 0;
  svg.addEventListener("keydown", (event) => {
    const scale = scaleNow();
    if (!scale || event.ctrlKey || event.metaKey || event.altKey) return;
    const { x0, x1 } = scale, width = x1 - x0, middle = (x0 + x1) / 2;
    const wanted = {
      "+": [middle - width / 4, middle + width / 4], "-": [middle - width, middle + width],
      ArrowLeft: [x0 - width / 4, x1 - width / 4], ArrowRight: [x0 + width / 4, x1 + width / 4], 0: null,
    };
    const key = event.key === "=" ? "+" : event.key;
    if (!(key in wanted)) return;
    event.preventDefault();
    tell(element, wanted[key]);
  });
}
