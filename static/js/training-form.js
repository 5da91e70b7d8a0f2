// The form of a new training: what applies to stage and method is shown, a dataset picks its stage,
// a model its chat template, a preset or a remedy fills in parameters. The server judges everything.
const form = document.querySelector("[data-training-form]");
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const value = (name) => form.elements[name].value;
const applies = (words, chosen) => !words || words.split(" ").includes(chosen);

function showWhatApplies() {
  for (const row of form.querySelectorAll("[data-argument]")) {
    row.hidden = !(applies(row.dataset.stages, value("stage")) && applies(row.dataset.methods, value("method")));
    const typed = form.elements[row.dataset.argument].value;
    row.classList.toggle("is-changed", typed !== "" && typed !== row.dataset.default);
  }
  for (const group of form.querySelectorAll("[data-group]")) {
    group.hidden = !group.querySelector("[data-argument]:not([hidden])");
    const count = group.querySelectorAll(".is-changed:not([hidden])").length;
    const badge = group.querySelector("[data-changed-count]");
    badge.textContent = count;
    badge.hidden = !count;
  }
  form.dispatchEvent(new CustomEvent("shown"));
}

function pickStage() {
  const stages = read("dataset-stages")[value("dataset")] || [];
  if (stages.length && !stages.includes(value("stage"))) form.elements.stage.value = stages[0];
}

function pickTemplate() {
  const field = form.elements.template;
  if (!("given" in field.dataset)) field.dataset.given = field.value;
  if (field.value !== field.dataset.given) return;
  field.value = field.dataset.given = read("model-templates")[value("base_model")] || "";
}

function nameIt() {
  const name = form.elements.name, option = form.elements.dataset.selectedOptions[0];
  if (!option.value || (name.value && name.value !== name.dataset.given)) return;
  name.value = name.dataset.given = option.textContent.trim().replace(/[/\\]/g, "-").slice(0, 100);
}

function fill(values) {
  for (const [name, text] of Object.entries(values)) {
    if (form.elements[name]) form.elements[name].value = text;
  }
  form.dispatchEvent(new Event("change", { bubbles: true }));
}

// What a preset sets depends on whether an adapter or the weights themselves learn.
function presetValues({ common, adapter, weights, pairs, not_for_rewards: unfit }) {
  const stage = value("stage");
  const values = { ...common, ...(["lora", "qlora"].includes(value("method")) ? adapter : weights) };
  if (["dpo", "kto"].includes(stage)) Object.assign(values, pairs);
  if (stage === "rm") for (const name of unfit) delete values[name];
  return values;
}

function tell(values) {
  const place = form.querySelector("[data-preset-told]");
  const label = (name) => form.querySelector(`label[for="id_${name}"]`)?.firstChild.textContent.trim() || name;
  const shown = Object.entries(values).map(([name, text]) => `${label(name)} ${text}`);
  place.textContent = place.dataset.text.replace("{values}", shown.join(", "));
}

form?.addEventListener("change", (event) => {
  if (event.target.name === "dataset") {
    pickStage();
    nameIt();
  }
  if (event.target.name === "base_model") pickTemplate();
  if (event.target.name === "eval_dataset" && event.target.value) form.elements.val_size.value = "0";
  showWhatApplies();
});
form?.addEventListener("input", showWhatApplies);

form?.addEventListener("click", (event) => {
  const preset = event.target.closest("[data-preset]"), remedy = event.target.closest("[data-fill]");
  if (remedy) fill(JSON.parse(remedy.dataset.fill));
  if (!preset) return;
  const values = presetValues(JSON.parse(preset.dataset.preset));
  fill(values);
  tell(values);
  for (const each of form.querySelectorAll("[data-preset]")) each.setAttribute("aria-pressed", String(each === preset));
});

if (form) showWhatApplies();
// A browser that comes back puts in what was typed only after the page is parsed.
addEventListener("pageshow", () => form?.dispatchEvent(new Event("change", { bubbles: true })));
