// form[data-knowledge-add]: files and folders go to the API one by one, three at a time; what is
// refused is listed by name. Without this script the form sends them in one piece.
document.documentElement.classList.add("is-scripted");

const AT_ONCE = 3;

function token(form) {
  return form.querySelector("[name=csrfmiddlewaretoken]").value;
}

async function send(form, { file, folder }) {
  const body = new FormData();
  body.append("file", file, file.name);
  body.append("folder", folder);
  const headers = { "X-CSRFToken": token(form) };
  const answer = await fetch(form.dataset.url, { method: "POST", body, headers });
  if (answer.ok) return "";
  const { error } = await answer.json().catch(() => ({ error: null }));
  if (error?.code === "duplicate") return null;
  const reasons = Object.values(error?.fields ?? {}).flat().join(" ");
  return reasons || error?.message || String(answer.status);
}

function problem(form, name, text) {
  const list = form.querySelector("[data-problems]");
  list.hidden = false;
  const item = document.createElement("li");
  item.textContent = `${name}: ${text}`;
  list.append(item);
}

async function sendAll(form, chosen) {
  const box = form.querySelector("[data-progress]");
  const bar = box.querySelector("progress");
  const said = box.querySelector("[data-progress-text]");
  form.querySelector("[data-problems]").replaceChildren();
  box.hidden = false;
  let sent = 0;
  let known = 0;
  let added = 0;
  const waiting = [...chosen];
  const show = () => {
    bar.value = sent / chosen.length;
    said.textContent = form.dataset.textSending.replace("{done}", sent).replace("{all}", chosen.length);
  };
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      show();
      try {
        const text = await send(form, next);
        if (text === "") added += 1;
        else if (text === null) known += 1;
        else problem(form, next.file.name, text);
      } catch {
        problem(form, next.file.name, form.dataset.textLost);
      }
      sent += 1;
      if (sent % 20 === 1) document.body.dispatchEvent(new Event("knowledge:added"));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const parts = [form.dataset.textDone.replace("{count}", added)];
  if (known) parts.push(form.dataset.textKnown.replace("{count}", known));
  bar.value = 1;
  said.textContent = parts.join(" · ");
  document.body.dispatchEvent(new Event("knowledge:added"));
}

// What lies in a dropped folder, with where it lay.
async function within(entry, folder) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return [{ file, folder }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    found.push(...some);
  }
  const inner = folder ? `${folder}/${entry.name}` : entry.name;
  return (await Promise.all(found.map((each) => within(each, inner)))).flat();
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  return (await Promise.all(entries.map((entry) => within(entry, "")))).flat();
}

document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-knowledge-add]");
  if (!form || !event.target.files.length) return;
  // Of a chosen folder, each file says where in it it lies.
  const folderOf = (file) => (file.webkitRelativePath ?? "").split("/").slice(0, -1).join("/");
  const chosen = [...event.target.files].map((file) => ({ file, folder: folderOf(file) }));
  event.target.value = "";
  sendAll(form, chosen);
});

for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, async (event) => {
    const zone = event.target.closest?.("[data-knowledge-add] .drop");
    if (!zone) return;
    event.preventDefault();
    zone.classList.toggle("is-over", name === "dragenter" || name === "dragover");
    if (name === "drop") await sendAll(zone.closest("form"), await dropped(event.dataTransfer));
  });
}
