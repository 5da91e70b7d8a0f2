// form[data-upload]: a drop zone that shows the chosen file, refuses one over data-max-bytes before
// it is sent, and shows the progress of sending and then of checking. Texts are data-text-*.
// Without this script the browser's own control stays visible.
document.documentElement.classList.add("is-scripted");

// As the pages write them (filesizeformat).
const units = ["B", "KB", "MB", "GB"];

export function size(bytes) {
  const power = Math.min(Math.floor(Math.log2(bytes || 1) / 10), units.length - 1);
  return `${(bytes / 1024 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}

function show(form) {
  const input = form.querySelector("input[type=file]");
  const [file] = input.files;
  form.querySelector("[data-file-name]").textContent = file ? `${file.name} · ${size(file.size)}` : "";
  const isLarge = Boolean(file) && file.size > Number(form.dataset.maxBytes);
  input.setCustomValidity(isLarge ? form.dataset.textTooLarge : "");
  if (isLarge) input.reportValidity();
  if (file) showReading(form, file.name.slice(file.name.lastIndexOf(".")).toLowerCase());
}

// Only what matters for this kind of file.
function showReading(form, ending) {
  const box = form.querySelector("[data-reading]");
  if (!box) return;
  for (const group of box.querySelectorAll("[data-for]")) {
    group.hidden = !group.dataset.for.split(" ").includes(ending);
    if (!group.hidden) box.open = true;
  }
}

export function progress(form, part, text) {
  const box = form.querySelector("[data-progress]");
  const bar = box.querySelector("progress");
  box.hidden = false;
  if (part === null) bar.removeAttribute("value");
  else bar.value = part;
  box.querySelector("[data-progress-text]").textContent = text;
}

const within = (event, selector) => event.target.closest?.(selector);

document.addEventListener("change", (event) => {
  const form = within(event, "form[data-upload]");
  if (form && event.target.type === "file") show(form);
});

for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    const zone = within(event, "[data-upload] .drop");
    if (!zone) return;
    event.preventDefault();
    zone.classList.toggle("is-over", name === "dragenter" || name === "dragover");
    if (name !== "drop" || !event.dataTransfer.files.length) return;
    const input = zone.querySelector("input[type=file]");
    const chosen = new DataTransfer();
    chosen.items.add(event.dataTransfer.files[0]);
    input.files = chosen.files;
    show(input.form);
  });
}

// Only what takes longer than a second shows a bar.
document.addEventListener("htmx:xhr:loadstart", (event) => {
  const form = within(event, "form[data-upload]");
  if (form) form.dataset.startedAt = performance.now();
});

document.addEventListener("htmx:xhr:progress", (event) => {
  const form = within(event, "form[data-upload]");
  if (!form || !event.detail.lengthComputable) return;
  const { loaded, total } = event.detail;
  const seconds = (performance.now() - Number(form.dataset.startedAt)) / 1000;
  if (loaded >= total) return progress(form, null, form.dataset.textChecking);
  if (seconds < 1) return;
  const left = Math.ceil((seconds * (total - loaded)) / loaded);
  const text = form.dataset.textSending.replace("{done}", size(loaded)).replace("{all}", size(total));
  progress(form, loaded / total, text.replace("{seconds}", left));
});

// A refusal is the form again, with the reason; also when it says "too large" or "disk full".
document.addEventListener("htmx:beforeSwap", (event) => {
  if (within(event, "form[data-upload]") && [413, 507].includes(event.detail.xhr.status)) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});
