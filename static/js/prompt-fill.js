// The form of a prompt's variables, in [data-prompt-fill].
const dialog = document.querySelector("[data-prompt-fill]");
// A form within the form of a text area would be none.
if (dialog) document.body.append(dialog);

// The text of the prompt at `url`, once its form is filled in; null where it was given up.
export async function filled(url) {
  const answer = await fetch(url);
  if (!answer.ok) return null;
  dialog.innerHTML = await answer.text();
  if (dialog.querySelector("[data-nothing-to-fill]")) return send(url);
  dialog.showModal();
  dialog.querySelector("input:not([type=hidden]), textarea, select")?.focus();
  return new Promise((done) => {
    dialog.onsubmit = async (event) => {
      event.preventDefault();
      const text = await send(url);
      if (text === null) return;
      done(text);
      dialog.close();
    };
    dialog.onclose = () => done(null);
  });
}

async function send(url) {
  const answer = await fetch(url, { method: "POST", body: new FormData(dialog.querySelector("form")) });
  if (answer.ok) return (await answer.json()).text;
  if (answer.status === 422) {
    dialog.innerHTML = await answer.text();
    dialog.querySelector("[aria-invalid=true]")?.focus();
  }
  return null;
}

dialog?.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("[data-fill-close]")) dialog.close();
});
