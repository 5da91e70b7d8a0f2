// Folders of the side list stay as one left them, in this browser.
const KEY = "chat-folders-open";

function kept() {
  try {
    return new Set(JSON.parse(localStorage.getItem(KEY) || "[]"));
  } catch {
    return new Set();
  }
}

function reopen() {
  const open = kept();
  for (const folder of document.querySelectorAll("[data-folder]")) {
    if (open.has(folder.dataset.folder)) folder.open = true;
  }
}

// A search and its end make the list anew.
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "sessions") reopen();
});
document.addEventListener("toggle", ({ target }) => {
  if (!target.matches?.("[data-folder]")) return;
  const open = kept();
  if (target.open) open.add(target.dataset.folder); else open.delete(target.dataset.folder);
  localStorage.setItem(KEY, JSON.stringify([...open]));
}, true);
// After htmx has seen the page: it fetches what is in a folder when that opens.
if (document.readyState === "complete") reopen();
else window.addEventListener("load", reopen);
