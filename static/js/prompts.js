// Shows the text of a prompt with what is typed into its fields. The server fills in the same way
// (prompts/rendering.py) when the form is sent.
const PLACE = /\{\{[ \t]*([\p{L}][\p{L}\p{N}_]{0,49})[ \t]*(?:\|[^{}]*)?\}\}/gu;
const form = document.querySelector("[data-prompt-form]");
const box = document.querySelector("[data-prompt]");
const shown = box?.querySelector("[data-prompt-text]");

function preview() {
  const values = {};
  for (const field of form.querySelectorAll("[data-variable]")) {
    values[field.dataset.variable] = field.value;
  }
  shown.textContent = box.dataset.template.replace(PLACE, (place, name) => values[name] || place);
}

form?.addEventListener("input", preview);
