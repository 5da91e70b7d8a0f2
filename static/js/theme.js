// The theme switch without a reload; the form still works without scripts.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-theme-form]");
  if (!form) return;
  event.preventDefault();
  const body = new FormData(form, event.submitter);
  document.documentElement.dataset.theme = body.get("theme");
  for (const each of form.querySelectorAll("button")) each.removeAttribute("aria-current");
  event.submitter.setAttribute("aria-current", "true");
  form.closest("details").open = false;
  document.dispatchEvent(new Event("theme"));
  await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" } });
});
