// What asks for itself now and then and has data-calm does not while somebody chooses something in it,
// answers a question about it, or looks at another tab.
document.addEventListener("htmx:beforeRequest", (event) => {
  const calm = event.target.closest("[data-calm]");
  const isBusy = document.hidden || document.querySelector("dialog[open]");
  if (calm && (isBusy || calm.contains(document.activeElement))) event.preventDefault();
});
