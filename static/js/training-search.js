// Finds parameters by name, label or help, also those that cannot be set, and shows only changed ones.
const area = document.querySelector("[data-advanced]");
const search = area?.querySelector("[data-argument-search]");
const onlyChanged = area?.querySelector("[data-only-changed]");

function sift() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const isSifting = words.length > 0 || onlyChanged.checked;
  const matches = (row) => words.every((word) => row.dataset.search.includes(word));
  let found = 0;
  for (const group of area.querySelectorAll("[data-group], [data-blocked]")) {
    let here = 0;
    for (const row of group.querySelectorAll("[data-argument], [data-blocked-row]")) {
      const isFound = matches(row) && (!onlyChanged.checked || row.classList.contains("is-changed"));
      row.classList.toggle("is-sifted-out", isSifting && !isFound);
      if (isFound && !row.hidden) here += 1;
    }
    group.classList.toggle("is-sifted-out", isSifting && !here);
    if (isSifting) group.open = here > 0;
    found += here;
  }
  const place = area.querySelector("[data-found]"), texts = JSON.parse(place.dataset.texts);
  if (!isSifting) place.textContent = "";
  else place.textContent = found ? texts.some.replace("{n}", found) : texts.none;
}

search?.addEventListener("input", (event) => { event.stopPropagation(); sift(); });
onlyChanged?.addEventListener("change", (event) => { event.stopPropagation(); sift(); });
search?.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
document.querySelector("[data-training-form]")?.addEventListener("shown", () => onlyChanged.checked && sift());
