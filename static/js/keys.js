// The form of a key: models to find by name, and the date only where one is wanted.
for (const box of document.querySelectorAll("[data-scopes]")) {
  const search = box.querySelector("[data-scopes-search]");
  const count = box.querySelector("[data-scopes-count]");
  const showCount = () => {
    const chosen = box.querySelectorAll("input:checked").length;
    count.textContent = chosen ? `(${chosen})` : `(${count.dataset.all})`;
  };
  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    for (const group of box.querySelectorAll("[data-scopes-group]")) {
      const rows = [...group.querySelectorAll("[data-scopes-name]")];
      for (const row of rows) row.hidden = !row.dataset.scopesName.includes(wanted);
      group.hidden = rows.every((row) => row.hidden);
    }
  };
  box.addEventListener("change", showCount);
  search?.addEventListener("input", filter);
  search?.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  showCount();
}

for (const box of document.querySelectorAll("[data-expiry]")) {
  const choice = box.querySelector("select");
  const date = box.querySelector("[data-expiry-date]");
  const show = () => { date.hidden = choice.value !== "date"; };
  choice.addEventListener("change", show);
  show();
}
