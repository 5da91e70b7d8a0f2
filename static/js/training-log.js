// The log as a terminal. It holds a window of lines; scrolling to an edge fetches what lies beyond,
// so that a log of any length is as light as a short one. New lines are appended while it shows the
// end. Lines are text, never markup.
const LINES_MAX = 3000, LINES_PER_BLOCK = 100, FETCHED = 500, EDGE_PX = 300;
const LEVELS = [
  ["error", /\b(ERROR|CRITICAL|FATAL)\b|^Traceback |^[\w.]*(Error|Exception|Interrupt)\b|\bCUDA out of memory\b/],
  ["warning", /\bWARN(ING)?\b|\b\w*Warning:/],
];

function levelOf(text) {
  return LEVELS.find(([, pattern]) => pattern.test(text))?.[0];
}

function block(first, lines) {
  const made = document.createElement("div");
  made.dataset.first = first;
  made.dataset.lines = lines.length;
  // Only lines of a level, and those sought, need an element of their own.
  let plain = [];
  const flush = () => { if (plain.length) made.append(`${plain.join("\n")}\n`); plain = []; };
  lines.forEach((text, i) => {
    const level = levelOf(text);
    if (!level) { plain.push(text); return; }
    flush();
    const line = document.createElement("span");
    line.className = `log-${level}`;
    line.textContent = `${text}\n`;
    line.dataset.line = first + i;
    made.append(line);
  });
  flush();
  return made;
}

export class Terminal {
  constructor(box, follow, address) {
    Object.assign(this, { box, follow, address, first: 0, end: 0, known: 0, isBusy: false });
    box.textContent = box.dataset.textEmpty;
    box.addEventListener("scroll", () => this.scrolled());
    follow.addEventListener("change", () => this.follow.checked && this.showEnd());
  }

  get isAtEnd() {
    return this.end === this.known;
  }

  append(first, lines) {
    this.known = Math.max(this.known, first + lines.length);
    if (this.end === 0) { this.box.replaceChildren(); this.first = this.end = first; }
    if (first > this.end) return; // it shows another part
    this.add(this.end, lines.slice(this.end - first));
    this.toEnd();
  }

  // Behind what is shown; the oldest lines leave.
  add(first, lines) {
    for (let i = 0; i < lines.length; i += LINES_PER_BLOCK) {
      this.box.append(block(first + i, lines.slice(i, i + LINES_PER_BLOCK)));
    }
    this.end = Math.max(this.end, first + lines.length);
    while (this.end - this.first > LINES_MAX && this.box.childElementCount > 1) {
      const height = this.box.scrollHeight, oldest = this.box.firstElementChild;
      this.first += Number(oldest.dataset.lines);
      oldest.remove();
      if (!this.follow.checked) this.box.scrollTop -= height - this.box.scrollHeight;
    }
  }

  // Before what is shown; the newest lines leave.
  prepend(first, lines) {
    const height = this.box.scrollHeight, blocks = [];
    for (let i = 0; i < lines.length; i += LINES_PER_BLOCK) blocks.push(block(first + i, lines.slice(i, i + LINES_PER_BLOCK)));
    this.box.prepend(...blocks);
    this.first = first;
    this.box.scrollTop += this.box.scrollHeight - height;
    while (this.end - this.first > LINES_MAX && this.box.childElementCount > 1) {
      this.end -= Number(this.box.lastElementChild.dataset.lines);
      this.box.lastElementChild.remove();
    }
  }

  async fetch(after, limit) {
    const answer = await fetch(`${this.address}?${new URLSearchParams({ after, limit })}`);
    return answer.ok ? answer.json() : { lines: [], next: after, count: this.known };
  }

  async scrolled() {
    const { box } = this, below = box.scrollHeight - box.scrollTop - box.clientHeight;
    if (this.end) this.follow.checked = this.isAtEnd && below < 24;
    if (this.isBusy || !this.end) return;
    this.isBusy = true;
    try {
      if (box.scrollTop < EDGE_PX && this.first > 0) {
        const after = Math.max(0, this.first - FETCHED);
        const { lines } = await this.fetch(after, this.first - after);
        if (lines.length) this.prepend(after, lines);
      } else if (below < EDGE_PX && !this.isAtEnd) {
        const { lines, count } = await this.fetch(this.end, FETCHED);
        this.known = Math.max(this.known, count);
        this.add(this.end, lines);
      }
    } finally {
      this.isBusy = false;
    }
  }

  async replace(after) {
    const { lines, count } = await this.fetch(after, 2 * FETCHED);
    this.known = Math.max(this.known, count);
    this.box.replaceChildren();
    this.first = this.end = after;
    this.add(after, lines);
  }

  async showEnd() {
    if (!this.isAtEnd) await this.replace(Math.max(0, this.known - FETCHED));
    this.toEnd();
  }

  // Line `number` in the middle, marked.
  async showLine(number) {
    this.follow.checked = false;
    await this.replace(Math.max(0, number - FETCHED));
    const around = [...this.box.children].find((each) => number < Number(each.dataset.first) + Number(each.dataset.lines));
    if (!around) return;
    const lines = around.textContent.split("\n"), sought = document.createElement("span");
    const place = number - Number(around.dataset.first);
    sought.className = "is-sought";
    sought.textContent = `${lines[place]}\n`;
    around.replaceChildren(...lines.slice(0, place).map((text) => `${text}\n`), sought, lines.slice(place + 1).join("\n"));
    this.box.scrollTop += sought.getBoundingClientRect().top - this.box.getBoundingClientRect().top - this.box.clientHeight / 2;
    this.follow.checked = false;
  }

  toEnd() {
    if (this.follow.checked) this.box.scrollTop = this.box.scrollHeight;
  }
}
