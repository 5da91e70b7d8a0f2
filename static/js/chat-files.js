// Files of a question: picked, dropped anywhere on [data-drop-text], or pasted. Each is sent to the
// server at once; its chip says how far, then what it is or why it cannot be taken. Without this
// script they go with the form.
const form = document.querySelector("form[data-attach]");
const place = document.querySelector("[data-drop-text]");
const chips = form?.querySelector("[data-chips]");
const input = form?.querySelector("[data-files]");
const note = form?.querySelector("[data-no-vision]");
// One in a chat; in a new comparison one a place; a comparison that was made offers none.
const models = [...(form?.querySelectorAll("select[name$=model]") ?? [])];
const IMAGE = /\.(jpe?g|png|webp|gif)$/i;
let sending = 0;

export const isSending = () => sending > 0;
export const hasFiles = () => Boolean(chips?.querySelector("input[name=attachments]"));

export function forgetFiles() {
  if (!chips) return;
  chips.replaceChildren();
  lookAtModel();
}

// A model that does not read images would refuse; the reader hears of it before they send.
function lookAtModel() {
  if (!note) return;
  const hasImage = chips.querySelector("[data-kind=image]");
  const chosen = models.filter(({ value }) => value).map((model) => model.selectedOptions[0]);
  const sees = models.length > 0 && chosen.every((option) => option.hasAttribute("data-vision"));
  note.hidden = !hasImage || sees;
}

function add(files) {
  for (const file of files) {
    const chip = form.querySelector("[data-chip-sending]").content.querySelector("[data-chip]").cloneNode(true);
    chip.querySelector("[data-chip-name]").textContent = file.name;
    chips.append(chip);
    const isImage = file.type.startsWith("image/") || IMAGE.test(file.name);
    const most = Number(isImage ? form.dataset.imageBytes : form.dataset.textBytes);
    if (chips.querySelectorAll("[data-chip]:not(.chip-problem)").length > Number(form.dataset.most)) refuse(chip, form.dataset.textMost);
    else if (file.size > most) refuse(chip, form.dataset.textLarge);
    else send(chip, file);
  }
}

function refuse(chip, why) {
  chip.classList.add("chip-problem");
  chip.querySelector("[data-chip-why]").textContent = why;
  chip.querySelector("progress")?.remove();
}

function send(chip, file) {
  const request = new XMLHttpRequest(), body = new FormData();
  body.append("file", file);
  request.open("POST", form.dataset.attach);
  request.setRequestHeader("X-CSRFToken", token());
  request.upload.onprogress = ({ loaded, total }) => { chip.querySelector("progress").value = loaded / total; };
  request.onload = () => {
    if (![201, 422].includes(request.status)) return refuse(chip, form.dataset.textFailed);
    const holder = document.createElement("template");
    holder.innerHTML = request.responseText;
    chip.replaceWith(holder.content);
    lookAtModel();
  };
  request.onerror = () => refuse(chip, form.dataset.textFailed);
  request.onloadend = () => count(-1);
  chip.addEventListener("remove-file", () => request.abort());
  count(1);
  request.send(body);
}

function token() {
  return JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
}

function count(change) {
  sending += change;
  form.querySelector("[data-send]").disabled = sending > 0;
}

function isOfFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes("Files");
}

// Whoever only reads a comparison has no form.
if (input) {
  input.removeAttribute("name");
  input.addEventListener("change", () => { add(input.files); input.value = ""; });
  form.addEventListener("change", lookAtModel);
  lookAtModel();
  chips.addEventListener("click", (event) => {
    const button = event.target.closest("[data-chip-remove]");
    if (!button) return;
    const chip = button.closest("[data-chip]"), address = button.dataset.chipRemove;
    chip.dispatchEvent(new Event("remove-file"));
    chip.remove();
    lookAtModel();
    if (address) fetch(address, { method: "POST", headers: { "X-CSRFToken": token() } });
    form.querySelector("textarea").focus();
  });
  document.addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    // A cell or a paragraph comes as a picture, too: the text is meant.
    if (!files.length || types.includes("text/plain") || event.target.closest("dialog")) return;
    event.preventDefault();
    add(files);
  });
  let depth = 0;
  const over = (change) => {
    depth = change === null ? 0 : depth + change;
    place.classList.toggle("is-over", depth > 0);
  };
  place.addEventListener("dragenter", (event) => { if (isOfFiles(event)) over(1); });
  place.addEventListener("dragleave", (event) => { if (isOfFiles(event)) over(-1); });
  place.addEventListener("dragover", (event) => { if (isOfFiles(event)) event.preventDefault(); });
  place.addEventListener("drop", (event) => {
    if (!isOfFiles(event)) return;
    event.preventDefault();
    over(null);
    add(event.dataTransfer.files);
  });
}
