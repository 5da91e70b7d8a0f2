// Numbers, nice steps and the mapping of values onto a chart's box.
const lang = document.documentElement.lang || undefined;

export function format(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(1);
  return value.toLocaleString(lang, { maximumFractionDigits: size < 1 ? 4 : size < 1000 ? 2 : 0 });
}

export function formatX(value, kind) {
  if (kind !== "time") return format(Math.round(value));
  return new Date(value * 1000).toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

// Round values between low and high, about `count` of them.
export function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) found.push(value);
  return found;
}

// Powers of ten between two logarithms, and the values between them where there are few.
export function logTicks(low, high) {
  const found = [], steps = high - low < 2 ? [1, 2, 5] : [1];
  for (let power = Math.floor(low); power <= high; power += 1) {
    for (const n of steps) {
      const at = power + Math.log10(n);
      if (at >= low && at <= high) found.push(n * 10 ** power);
    }
  }
  return found;
}

// `range` [x0, x1] shows a part; `isLog` maps values by their logarithm, those above zero only.
export function scaleOf(lines, width, height, pad, { range = null, isLog = false } = {}) {
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { points } of lines) {
    for (const [x, y] of points) {
      if (range && (x < range[0] || x > range[1])) continue;
      if (x < x0) x0 = x;
      if (x > x1) x1 = x;
      const value = isLog ? Math.log10(y) : y;
      if (!Number.isFinite(value)) continue;
      if (value < y0) y0 = value;
      if (value > y1) y1 = value;
    }
  }
  if (range) [x0, x1] = range;
  if (!(x1 > x0)) x1 = x0 + 1;
  if (y0 > y1) [y0, y1] = [0, 1];
  const room = (y1 - y0) * 0.08 || (isLog ? 0.1 : Math.abs(y1) * 0.1 || 1);
  [y0, y1] = [!isLog && y0 >= 0 && y0 - room < 0 ? 0 : y0 - room, y1 + room];
  const inner = { width: width - pad.left - pad.right, height: height - pad.top - pad.bottom };
  return {
    x0, x1, y0, y1,
    marks: isLog ? logTicks(y0, y1) : ticks(y0, y1, 5),
    x: (v) => pad.left + ((v - x0) / (x1 - x0)) * inner.width,
    y: (v) => height - pad.bottom - (((isLog ? Math.log10(v) : v) - y0) / (y1 - y0)) * inner.height,
    back: (px) => x0 + ((px - pad.left) / inner.width) * (x1 - x0),
  };
}

// At most about `limit` points for drawing: of each run of points the lowest and the highest.
export function thin(points, limit) {
  if (points.length <= limit) return points;
  const size = Math.ceil((points.length * 2) / limit), kept = [];
  for (let i = 0; i < points.length; i += size) {
    const run = points.slice(i, i + size);
    const low = run.reduce((a, b) => (b[1] < a[1] ? b : a)), high = run.reduce((a, b) => (b[1] > a[1] ? b : a));
    kept.push(...(low[0] < high[0] ? [low, high] : low === high ? [low] : [high, low]));
  }
  if (kept.at(-1) !== points.at(-1)) kept.push(points.at(-1));
  return kept;
}

// An exponential mean; `weight` 0 leaves the points as they are. The beginning is not pulled to 0.
export function smooth(points, weight) {
  if (!weight) return points;
  let [mean, left] = [0, 1];
  return points.map(([x, y]) => {
    mean = weight * mean + (1 - weight) * y;
    left *= weight;
    return [x, mean / (1 - left)];
  });
}

// The points within `range` and one beyond each end, so that lines go on to the edge.
export function within(points, range) {
  if (!range) return points;
  const first = points.findIndex(([x]) => x >= range[0]);
  if (first < 0) return points.slice(-1);
  const behind = points.findIndex(([x]) => x > range[1]);
  return points.slice(Math.max(0, first - 1), behind < 0 ? undefined : behind + 1);
}
