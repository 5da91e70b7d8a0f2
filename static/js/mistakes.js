// Leads to the first mistake of a form that came back: its fold opens, and it gets the focus.
const reveal = (element) => {
  for (let fold = element.closest("details"); fold; fold = fold.parentElement.closest("details")) {
    fold.open = true;
  }
};

// htmx has kept such a field as it was; what is said about it now stands beside it.
const describe = (kept) => {
  const notes = kept.closest(".field").querySelectorAll(":scope > .help, :scope > .errors");
  const isWrong = [...notes].some((note) => note.matches(".errors"));
  kept.setAttribute("aria-invalid", String(isWrong));
  kept.setAttribute("aria-describedby", [...notes].map((note) => note.id).join(" "));
};

const show = (root) => {
  root.querySelectorAll(".field > [hx-preserve]").forEach(describe);
  const wrong = [...root.querySelectorAll('[aria-invalid="true"], .errors')];
  const inForms = wrong.filter((element) => element.closest("form"));
  inForms.forEach(reveal);
  const [first] = inForms;
  if (first?.matches(".errors")) first.scrollIntoView({ block: "center" });
  else first?.focus();
};

show(document);
// What the browser itself refuses it can only show in an open fold.
document.addEventListener("invalid", (event) => reveal(event.target), true);
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.xhr?.status === 422) show(event.target);
});
