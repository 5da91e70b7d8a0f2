// Copies code blocks, and messages as they were written. Works without TLS too, where browsers
// give a page no clipboard object.
const chat = document.querySelector("[data-chat]");

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

document.addEventListener("click", async (event) => {
  const code = event.target.closest("[data-copy-code]");
  const message = event.target.closest("[data-copy-message]");
  if (code) {
    await copy(code.closest(".code-block").querySelector("code").textContent);
    code.textContent = chat.dataset.textCopied;
    setTimeout(() => { code.textContent = chat.dataset.textCopy; }, 1600);
  } else if (message) {
    await copy(message.parentElement.querySelector("[data-source]").content.textContent);
    const use = message.querySelector("use"), before = use.getAttribute("href");
    use.setAttribute("href", before.replace(/#.*/, "#check"));
    document.querySelector("[data-announce]").textContent = chat.dataset.textCopied;
    setTimeout(() => { use.setAttribute("href", before); }, 1600);
  }
});
