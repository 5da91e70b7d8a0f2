// Shows the text of a prompt with what is typed into its fields. The server fills in the same way
// (prompts/rendering.py) when the form is sent.
const PLACE = /\{\{[ \t]*([\p{L}][\p{L}\p{N}_]{0,49})[ \t]*(?:\|[^{}]*)?\}\}/gu;
const form = document.querySelector("[data-prompt-form]");
const box = document.querySelector("[data-prompt]");
const shown = box?.querySelector("[data-prompt-text]");

function valueOf(field) {
  if (field.type !== "checkbox") return field.value;
  return field.checked ? field.dataset.on : field.dataset.off;
}

function preview() {
  const values = new Map();
  for (const field of form.querySelectorAll("[data-variable]")) {
    const isEmpty = field.type !== "checkbox" && !field.value;
    if (!isEmpty) values.set(field.dataset.variable, valueOf(field));
  }
  shown.textContent = box.dataset.template.replace(
    PLACE, (place, name) => values.get(name) ?? place);
}

form?.addEventListener("input", preview);
