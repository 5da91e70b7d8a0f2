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

function put(source) {
  const name = source.dataset.field, box = place(name);
  if (!box) return;
  const note = document.createElement("div");
  note.className = source.dataset.kind === "note" ? "help note" : "errors";
  note.textContent = source.textContent;
  box.append(note);
  if (source.dataset.kind === "note") return;
  const field = form.elements[name];
  (field[0]?.form ? field[0] : field).setAttribute("aria-invalid", "true");
  for (let fold = box.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
}

document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "preview") return;
  for (const box of form.querySelectorAll("[data-said]")) box.replaceChildren();
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  for (const box of form.querySelectorAll(".field > .errors")) box.remove();
  event.target.querySelectorAll("[data-field]").forEach(put);
});
