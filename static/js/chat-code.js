// What a block of code has in its head: to copy it, and to fold it where it is long.
const chat = document.querySelector("[data-chat]");

// A block whose writing the reader watched stays open until they fold it.
export function decorate(root, { isWatched = false } = {}) {
  for (const head of root.querySelectorAll(".code-head:not(:has(button))")) {
    const block = head.parentElement;
    if (block.classList.contains("long")) addFold(block, isWatched);
    head.append(button("copyCode", chat?.dataset.textCopy));
  }
}

function button(does, text) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button button-quiet button-small";
  made.dataset[does] = "";
  made.textContent = text ?? "";
  return made;
}

function addFold(block, isOpen) {
  const fold = button("foldCode");
  fold.classList.add("code-fold");
  block.append(fold);
  show(block, fold, isOpen);
}

function show(block, fold, isOpen) {
  const lines = block.querySelector("code").textContent.trimEnd().split("\n").length;
  block.classList.toggle("folded", !isOpen);
  fold.setAttribute("aria-expanded", isOpen);
  fold.textContent = isOpen
    ? chat?.dataset.textFold : chat?.dataset.textUnfold.replace("{count}", lines.toLocaleString());
}

document.addEventListener("click", (event) => {
  const fold = event.target.closest("[data-fold-code]");
  if (!fold) return;
  const isOpen = fold.getAttribute("aria-expanded") === "true";
  show(fold.parentElement, fold, !isOpen);
  if (isOpen) fold.parentElement.scrollIntoView({ block: "nearest" });
});
