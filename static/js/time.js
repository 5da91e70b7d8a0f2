// <time data-relative>: "3 minutes ago" in the page's language, the exact time on hover.
const STEPS = [[60, "second"], [60, "minute"], [24, "hour"], [30, "day"], [12, "month"], [Infinity, "year"]];
const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });

function relative(date) {
  let value = (date - Date.now()) / 1000;
  for (const [size, unit] of STEPS) {
    if (Math.abs(value) < size) return words.format(Math.round(value), unit);
    value /= size;
  }
}

function show(root) {
  for (const time of root.querySelectorAll("time[data-relative]")) {
    const date = new Date(time.dateTime);
    time.textContent = relative(date);
    time.title = date.toLocaleString(document.documentElement.lang);
  }
}

show(document);
setInterval(() => show(document), 30000);
document.addEventListener("htmx:load", (event) => show(event.detail.elt));
