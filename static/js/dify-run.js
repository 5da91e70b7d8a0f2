// form[data-run]: its answer is drawn while it comes, line by line (JSON): `text` and `thought` are
// the next words, `html` is the whole outcome anew. A refused form comes back as markup. Stopping
// closes the connection, and the server tells Dify. Without this script the page itself comes back.
const box = () => document.querySelector("[data-outcome]");
let running = null;

function draw(line) {
  const outcome = box();
  if (line.html !== undefined) {
    const isFolded = new Set([...outcome.querySelectorAll("details")].filter((each) => !each.open)
      .map((each) => each.querySelector("summary").textContent));
    outcome.innerHTML = line.html;
    for (const each of outcome.querySelectorAll("details")) {
      if (isFolded.has(each.querySelector("summary").textContent)) each.open = false;
    }
    window.htmx.process(outcome);
    return;
  }
  if (line.thought) outcome.querySelector("[data-thoughts-fold]")?.removeAttribute("hidden");
  const place = outcome.querySelector(line.thought ? "[data-thoughts]" : "[data-answer]");
  (place ?? outcome).append(line.thought ?? line.text);
}

async function read(body) {
  const lines = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await lines.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    parts.forEach((part) => draw(JSON.parse(part)));
  }
}

function show(isRunning) {
  const form = document.querySelector("form[data-run]");
  form.querySelector("[data-start]").disabled = isRunning;
  form.querySelector("[data-stop]").hidden = !isRunning;
  if (!isRunning) box().querySelector("[data-running]")?.remove();
}

async function run(form) {
  const stopped = document.querySelector("[data-stopped]");
  stopped.hidden = true;
  running = new AbortController();
  const { signal } = running;
  const body = new FormData(form);
  show(true);
  try {
    const answer = await fetch(form.action, {
      method: "POST", body, signal, headers: { Accept: "application/x-ndjson" },
    });
    const isStream = answer.headers.get("content-type")?.startsWith("application/x-ndjson");
    if (answer.status === 422) replace(form, await answer.text());
    else if (answer.ok && isStream) await read(answer.body);
    else location.reload();
  } catch {
    stopped.hidden = !signal.aborted;
    if (!signal.aborted) draw({ text: `\n${form.dataset.textFailed}` });
  } finally {
    running = null;
    show(false);
  }
}

// The files that were picked are lost with the markup; the browser gives them back to nobody.
function replace(form, html) {
  form.outerHTML = html;
  const [wrong] = document.querySelectorAll('form[data-run] [aria-invalid="true"]');
  wrong?.focus();
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-run]");
  if (!form || event.submitter?.matches("[data-keep]")) return;
  event.preventDefault();
  if (!running) run(form);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-stop]")) running?.abort();
  const question = event.target.closest("[data-question]");
  const field = document.querySelector("form[data-run] [name=query]");
  if (!question || !field) return;
  event.preventDefault();
  field.value = question.textContent;
  field.focus();
});
