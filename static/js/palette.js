// Ctrl/⌘ K: go anywhere, start anything. The server answers {items: [{label, url, group, text}]} for ?q=.
const palette = document.querySelector("[data-palette]");
const input = palette?.querySelector("input");
const list = palette?.querySelector("[role=listbox]");
const shortcuts = document.querySelector("[data-shortcuts]");
let asked = 0;

function open() {
  if (!palette || palette.open) return;
  palette.showModal();
  input.value = "";
  search();
}

async function search() {
  const turn = ++asked;
  const url = `${palette.dataset.url}?q=${encodeURIComponent(input.value)}`;
  const response = await fetch(url, { headers: { Accept: "application/json" } });
  if (!response.ok || turn !== asked) return;
  const { items } = await response.json();
  list.replaceChildren(...items.map(option));
  if (items.length === 0) list.textContent = list.dataset.empty;
  select(0);
}

function option(item, index) {
  const link = document.createElement("a");
  link.className = "palette-item";
  link.href = item.url;
  link.id = `palette-${index}`;
  link.setAttribute("role", "option");
  const group = document.createElement("span");
  group.className = "soft small";
  group.textContent = item.group;
  link.append(item.label, group);
  if (item.text) {
    const text = document.createElement("span");
    text.className = "palette-text soft small truncate";
    text.textContent = item.text;
    link.append(text);
  }
  return link;
}

function select(index) {
  const options = [...list.querySelectorAll("[role=option]")];
  options.forEach((each, i) => each.setAttribute("aria-selected", String(i === index)));
  if (options[index]) {
    input.setAttribute("aria-activedescendant", options[index].id);
    options[index].scrollIntoView({ block: "nearest" });
  }
}

function move(by) {
  const options = [...list.querySelectorAll("[role=option]")];
  const now = options.findIndex((each) => each.getAttribute("aria-selected") === "true");
  if (options.length) select((now + by + options.length) % options.length);
}

input?.addEventListener("input", search);
input?.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Escape") {  // a search field would only be emptied
    event.preventDefault();
    palette.close();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    move(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter") {
    event.preventDefault();
    list.querySelector("[aria-selected=true]")?.click();
  }
});

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    open();
  } else if ((event.ctrlKey || event.metaKey) && event.key === "/") {
    event.preventDefault();
    if (!document.querySelector("dialog[open]")) shortcuts?.showModal();
  } else if (event.key === "?" && !event.target.closest("input, textarea, select")) {
    shortcuts?.showModal();
  }
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-palette-open]")) open();
  else if (event.target.closest("[data-shortcuts-open]")) shortcuts.showModal();
  else if (event.target === palette) palette.close();
});
