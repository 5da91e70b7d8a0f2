// A control with data-when="name=a b" has its field shown only while the control of that name in the
// same form holds one of these values; "name" alone: anything at all. Without this script all stay
// visible, and their help says when they count.
function fit(form) {
  for (const control of form.querySelectorAll("[data-when]")) {
    const [name, values] = control.dataset.when.split("=");
    const { value } = form.elements.namedItem(name);
    const field = control.closest(".field");
    const isWrong = field.querySelector(".errors") !== null; // a refusal is never hidden
    field.hidden = !isWrong && !(values ? values.split(" ").includes(value) : value);
  }
}

const forms = new Set([...document.querySelectorAll("[data-when]")].map((each) => each.form));
for (const form of forms) {
  form.addEventListener("change", () => fit(form));
  fit(form);
}
window.addEventListener("pageshow", () => forms.forEach(fit)); // what a browser fills in on "back"
