// The form of a new training: what applies to stage and method is shown, a dataset picks its stage,
// a preset fills in parameters. The server judges everything.
const form = document.querySelector("[data-training-form]");

function value(name) {
  return form.elements[name].value;
}

function applies(words, chosen) {
  return !words || words.split(" ").includes(chosen);
}

function showWhatApplies() {
  for (const row of form.querySelectorAll("[data-argument]")) {
    row.hidden = !(applies(row.dataset.stages, value("stage")) && applies(row.dataset.methods, value("method")));
  }
  for (const group of form.querySelectorAll("[data-group]")) {
    group.hidden = !group.querySelector("[data-argument]:not([hidden])");
  }
}

function pickStage() {
  const stages = JSON.parse(document.getElementById("dataset-stages").textContent)[value("dataset")] || [];
  if (stages.length && !stages.includes(value("stage"))) form.elements.stage.value = stages[0];
}

function nameIt() {
  const name = form.elements.name, option = form.elements.dataset.selectedOptions[0];
  if (!option.value || (name.value && name.value !== name.dataset.given)) return;
  name.value = name.dataset.given = option.textContent.trim().replace(/[/\\]/g, "-").slice(0, 100);
}

form?.addEventListener("change", (event) => {
  if (event.target.name === "dataset") {
    pickStage();
    nameIt();
  }
  showWhatApplies();
});

form?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-preset]");
  if (!button) return;
  for (const [name, text] of Object.entries(JSON.parse(button.dataset.preset))) {
    form.elements[name].value = text;
  }
  for (const each of form.querySelectorAll("[data-preset]")) each.setAttribute("aria-pressed", String(each === button));
  form.dispatchEvent(new Event("change", { bubbles: true }));
});

if (form) showWhatApplies();
