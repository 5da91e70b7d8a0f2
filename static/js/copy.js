// data-copy copies the nearest data-copy-source (or the data-copy value) and says so.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = button.dataset.copy
    ? document.querySelector(button.dataset.copy)
    : button.parentElement.querySelector("[data-copy-source]");
  await navigator.clipboard.writeText(source.innerText);
  const label = button.querySelector("span") || button;
  const before = label.textContent;
  label.textContent = button.dataset.copied || before;
  setTimeout(() => { label.textContent = before; }, 1600);
});
