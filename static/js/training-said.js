// What the preview says against a parameter, or beside it, is put at its field; it goes again with
// the next preview that no longer says it.
const form = document.querySelector("[data-training-form]");

function place(name) {
  const known = form.querySelector(`[data-said="${name}"]`);
  if (known) return known;
  const field = form.elements[name], box = (field?.[0] || field)?.closest?.(".field");
  if (!box) return null;
  const made = document.createElement("div");
  made.dataset.said = name;
  box.append(made);
  return made;
}

// What the server said of a form that was sent: it stays until the field is changed.
const sent = (box) => box.closest(".field")?.querySelector(":scope > .errors");

function put(source) {
  const name = source.dataset.field, box = place(name);
  if (!box || sent(box)) return;
  const note = document.createElement("div");
  note.className = source.dataset.kind === "note" ? "help note" : "errors";
  note.textContent = source.textContent;
  box.append(note);
  if (source.dataset.kind === "note") return;
  const field = form.elements[name];
  (field[0]?.form ? field[0] : field).setAttribute("aria-invalid", "true");
  open(box);
}

function open(box) {
  for (let fold = box.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
}

function forget({ target }) {
  const errors = sent(target);
  if (!errors) return;
  errors.remove();
  target.removeAttribute("aria-invalid");
}

form.addEventListener("input", forget);
form.querySelectorAll(".field > .errors").forEach(open);

document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "preview") return;
  for (const box of form.querySelectorAll("[data-said]")) box.replaceChildren();
  for (const field of form.querySelectorAll("[aria-invalid]")) if (!sent(field)) field.removeAttribute("aria-invalid");
  event.target.querySelectorAll("[data-field]").forEach(put);
});
