// Knowledge bases of a chat or a comparison: the boxes in [data-bases] say which are chosen, the chips above the
// message show them, `@` (or ＠) in the message offers them. Of a chat that exists, every change is
// saved at once; of a new one they go with its first message.
import { Picker } from "./picker.js";

const list = document.querySelector("[data-bases]");
const chips = document.querySelector("[data-base-chips]");
const panel = document.querySelector("[data-base-picker]");
const problems = document.querySelector("#composer-problems");
let saved = Promise.resolve();

function boxes() {
  return [...list.querySelectorAll("input[name=knowledge_bases]")];
}

function boxOf(id) {
  return boxes().find((box) => box.value === id);
}

// One that the list is too short for.
function added({ base, name }) {
  const row = list.querySelector("[data-base-row]").content.firstElementChild.cloneNode(true);
  const box = row.querySelector("input");
  box.value = base;
  box.dataset.name = name;
  row.querySelector(".base-name").textContent = name;
  list.querySelector("[data-base-row]").before(row);
  return box;
}

function chipOf(box) {
  const template = document.querySelector("[data-base-chip-new]");
  const chip = template.content.firstElementChild.cloneNode(true);
  const button = chip.querySelector("[data-base-remove]");
  chip.dataset.baseChip = box.value;
  chip.querySelector(".chip-name").textContent = box.dataset.name;
  button.ariaLabel = button.dataset.label.replace("{name}", () => box.dataset.name);
  return chip;
}

function changed() {
  chips?.replaceChildren(...boxes().filter((box) => box.checked).map(chipOf));
  if (!list.dataset.save) return;
  list.querySelectorAll(".base-gone").forEach((each) => each.remove());
  saved = saved.then(save);
}

async function save() {
  const body = new FormData();
  for (const box of boxes()) if (box.checked) body.append(box.name, box.value);
  const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
  const headers = { "X-CSRFToken": token };
  let text = list.dataset.failed;
  try {
    const answer = await fetch(list.dataset.save, { method: "POST", body, headers });
    if (answer.ok) return problems?.replaceChildren();
    if (answer.status === 422) { problems.innerHTML = await answer.text(); return; }
  } catch { /* said below */ }
  problems.textContent = text;
}

if (list) {
  list.addEventListener("change", changed);
  chips?.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-base-remove]")?.closest("[data-base-chip]");
    if (!chip) return;
    const box = boxOf(chip.dataset.baseChip);
    if (box) box.checked = false;
    changed();
    (chips.closest("form") ?? document).querySelector("textarea").focus();
  });
  // What was chosen is there before the question that it is for.
  document.querySelector("[data-composer]")?.addEventListener("htmx:confirm", (event) => {
    event.preventDefault();
    saved.then(() => event.detail.issueRequest());
  });
}

if (list && panel) {
  const picker = new Picker(panel, {
    sign: "@",
    typed: /(^|[^A-Za-z0-9._%+-])([@＠]([^\s@＠]{0,40}))$/u,
    take: (option) => {
      const box = boxOf(option.dataset.base) ?? added(option.dataset);
      box.checked = true;
      changed();
      return "";
    },
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-base-open]")) picker.open();
  });
}
