// Filters of the usage page: dates mean the period "from … to …", another period means no dates.
const form = document.querySelector("[data-usage-filters]");
const period = form.elements.namedItem("period");
const dates = ["from", "to"].map((name) => form.elements.namedItem(name));

period.addEventListener("change", () => {
  if (period.value !== "range") for (const date of dates) date.value = "";
});
for (const date of dates) {
  date.addEventListener("input", () => {
    if (date.value) period.value = "range";
  });
}
