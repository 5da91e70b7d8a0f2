// The log as a terminal: lines are text, only new ones are appended, and old ones leave the page.
const LINES_MAX = 3000, LINES_PER_BLOCK = 100;

export class Terminal {
  constructor(box, follow) {
    this.box = box;
    this.follow = follow;
    this.count = 0;
    box.textContent = box.dataset.textEmpty;
    box.addEventListener("scroll", () => {
      const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
      if (this.follow.checked !== isAtEnd && this.count) this.follow.checked = isAtEnd;
    });
    follow.addEventListener("change", () => this.toEnd());
  }

  append(first, lines) {
    if (this.count === 0) this.box.replaceChildren();
    for (let i = 0; i < lines.length; i += LINES_PER_BLOCK) {
      const block = document.createElement("div");
      block.textContent = lines.slice(i, i + LINES_PER_BLOCK).join("\n");
      block.dataset.lines = Math.min(LINES_PER_BLOCK, lines.length - i);
      this.box.append(block);
      this.count += Number(block.dataset.lines);
    }
    while (this.count > LINES_MAX && this.box.childElementCount > 1) {
      this.count -= Number(this.box.firstElementChild.dataset.lines);
      this.box.firstElementChild.remove();
    }
    this.toEnd();
  }

  toEnd() {
    if (this.follow.checked) this.box.scrollTop = this.box.scrollHeight;
  }
}
