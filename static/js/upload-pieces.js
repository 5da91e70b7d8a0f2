// form[data-upload] with a file of more than data-pieces-from bytes: sent in pieces through the API,
// so that a lost connection costs one piece, and choosing the same file again goes on with it.
import { patiently, send, wait } from "./patience.js";
import { progress, size } from "./upload.js";

function fingerprint(file) {
  let hash = 0;
  for (const char of file.name) hash = (hash * 31 + char.codePointAt(0)) >>> 0;
  return `${file.lastModified}-${file.size}-${hash}`;
}

function asked(form, file) {
  const value = (name) => form.elements[name]?.value ?? "";
  const reading = { encoding: value("encoding"), delimiter: value("delimiter"), quote: value("quote"), split: value("split") };
  reading.has_header = value("has_header") !== "no";
  if (value("block_chars")) reading.block_chars = Number(value("block_chars"));
  return { file_name: file.name, size_bytes: file.size, fingerprint: fingerprint(file), name: value("name"), format: value("format"), reading };
}

function onWait(form) {
  return (seconds) => progress(form, null, form.dataset.textWaiting.replace("{seconds}", seconds));
}

async function sendPieces(form, file, upload, url) {
  const began = performance.now(), first = upload.received_bytes;
  const tell = (done) => {
    const seconds = (performance.now() - began) / 1000;
    const left = done > first ? Math.ceil((seconds * (file.size - done)) / (done - first)) : "…";
    const text = form.dataset.textSending.replace("{done}", size(done)).replace("{all}", size(file.size));
    progress(form, done / file.size, text.replace("{seconds}", left));
  };
  for (let offset = first; offset < file.size; ) {
    tell(offset);
    const piece = file.slice(offset, offset + upload.chunk_bytes);
    try {
      const told = await patiently(
        () => send("PUT", `${url}?offset=${offset}`, piece, (sent) => tell(offset + sent)),
        onWait(form),
      );
      offset = told.received_bytes;
    } catch (error) {
      if (error.status !== 409) throw error;
      const there = Number(error.fields.offset?.[0]);
      if (there === offset) await wait(1); // the broken request is still being written
      offset = there;
    }
  }
}

async function upload(form, file) {
  const begun = await patiently(() => send("POST", form.dataset.uploadsUrl, asked(form, file)), onWait(form));
  const url = `${form.dataset.uploadsUrl}/${begun.id}`;
  await sendPieces(form, file, begun, url);
  progress(form, null, form.dataset.textChecking);
  const work = await patiently(() => send("POST", `${url}/finish`), onWait(form));
  location.assign(`${form.dataset.workUrl}${work.id}/`);
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-pieces-from]");
  const [file] = form?.querySelector("input[type=file]").files || [];
  if (!file || file.size <= Number(form.dataset.piecesFrom)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const button = form.querySelector("button[type=submit]"), problem = form.querySelector("[data-upload-error]");
  button.disabled = true;
  problem.hidden = true;
  try {
    await upload(form, file);
  } catch (error) {
    form.querySelector("[data-progress]").hidden = true;
    problem.textContent = error.message || form.dataset.textFailed;
    problem.hidden = false;
    button.disabled = false;
  }
}, true);
