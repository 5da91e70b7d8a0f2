// The log as a terminal. It holds a window of lines; scrolling to an edge fetches what lies beyond,
// so that a log of any length is as light as a short one. New lines are appended while it shows the
// end, unless somebody reads what would have to leave for them.
import { remember, remembered } from "./remembered.js";
import { blocks, lineAtTop, rangeOf } from "./training-log-lines.js";

const LINES_MAX = 3000, FETCHED = 500, EDGE_PX = 300, AT_END_PX = 24, REMEMBER_AFTER_MS = 250;

export class Terminal {
  // The lines shown are those from `first` to before `end`; `known` is how many there are.
  constructor(box, follow, address) {
    Object.assign(this, { box, follow, address, first: 0, end: 0, known: 0, isBusy: false, turn: 0, late: null });
    box.textContent = box.dataset.textEmpty;
    box.addEventListener("scroll", () => this.scrolled());
    follow.checked = remembered("follow") !== "0";
    follow.addEventListener("change", () => { this.remember(); if (follow.checked) this.showEnd(); });
    if (!follow.checked && remembered("line")) this.begin(Number(remembered("line")) || 0);
  }

  get isEmpty() {
    return this.end === this.first;
  }

  get isAtEnd() {
    return this.end === this.known;
  }

  append(first, lines) {
    this.known = Math.max(this.known, first + lines.length);
    if (this.late) { this.late.push([first, lines]); return; }
    if (this.isEmpty) this.clear(first);
    if (first > this.end || this.isRead(lines.length)) return;
    this.add(this.end, lines.slice(this.end - first));
    this.toEnd();
  }

  // Whether so many lines more would push out what somebody looks at.
  isRead(count) {
    return !this.follow.checked && this.end - this.first + count > LINES_MAX;
  }

  clear(first) {
    this.box.replaceChildren();
    this.first = this.end = first;
  }

  // Behind what is shown; the oldest lines leave.
  add(first, lines) {
    const { box } = this, oldest = [];
    box.append(...blocks(first, lines));
    this.end = first + lines.length;
    for (let next = box.firstElementChild; this.end - this.first > LINES_MAX && next !== box.lastElementChild; next = next.nextElementSibling) {
      this.first += Number(next.dataset.lines);
      oldest.push(next);
    }
    const height = oldest.length && !this.follow.checked ? oldest.at(-1).getBoundingClientRect().bottom - oldest[0].getBoundingClientRect().top : 0;
    for (const each of oldest) each.remove();
    if (height) box.scrollTop -= height;
  }

  // Before what is shown; the newest lines leave.
  prepend(first, lines) {
    const { box } = this, height = box.scrollHeight;
    box.prepend(...blocks(first, lines));
    this.first = first;
    box.scrollTop += box.scrollHeight - height;
    while (this.end - this.first > LINES_MAX && box.childElementCount > 1) {
      this.end -= Number(box.lastElementChild.dataset.lines);
      box.lastElementChild.remove();
    }
  }

  // Null where nothing can be fetched: what is shown stays.
  async fetch(after, limit) {
    try {
      const answer = await fetch(`${this.address}?${new URLSearchParams({ after, limit })}`);
      if (!answer.ok) return null;
      const { lines, count } = await answer.json();
      this.known = Math.max(this.known, count);
      return lines;
    } catch {
      return null;
    }
  }

  async scrolled() {
    const { box } = this, below = box.scrollHeight - box.scrollTop - box.clientHeight;
    if (this.late || this.isEmpty) return;
    // At the end of the window, though not of a log that grows fast, nobody has left the end.
    if (below >= AT_END_PX) this.follow.checked = false;
    else if (this.isAtEnd) this.follow.checked = true;
    this.remember();
    if (this.isBusy) return;
    this.isBusy = true;
    if (box.scrollTop < EDGE_PX && this.first > 0) await this.fetchBefore();
    else if (below < EDGE_PX && !this.isAtEnd) await this.fetchBehind();
    this.isBusy = false;
  }

  // While they were fetched the window may have become another one.
  async fetchBefore() {
    const { turn, first } = this, after = Math.max(0, first - FETCHED);
    const lines = await this.fetch(after, first - after);
    if (lines?.length === first - after && turn === this.turn && first === this.first) this.prepend(after, lines);
  }

  async fetchBehind() {
    const { turn, end } = this, lines = await this.fetch(end, FETCHED);
    if (lines && turn === this.turn && end === this.end) this.add(end, lines);
  }

  // The window from line `after` on. What comes meanwhile waits for it. Whether it is there now.
  async replace(after) {
    const turn = ++this.turn, late = this.late = [];
    const lines = await this.fetch(after, 2 * FETCHED);
    if (turn !== this.turn) return false;
    if (lines?.length) { this.clear(after); this.add(after, lines); }
    this.late = null;
    for (const [first, each] of late) this.append(first, each);
    return Boolean(lines?.length);
  }

  async showEnd() {
    const isThere = this.isAtEnd || await this.replace(Math.max(0, this.known - FETCHED));
    this.follow.checked = this.follow.checked && isThere;
    this.toEnd();
  }

  // Line `number` in the middle, marked.
  async showLine(number) {
    this.follow.checked = false;
    if (!await this.replace(Math.max(0, number - FETCHED))) return;
    const range = rangeOf(this.box, number), sought = document.createElement("span");
    if (!range) return;
    sought.className = "is-sought";
    range.surroundContents(sought);
    this.place(sought, this.box.clientHeight / 2);
    this.follow.checked = false;
    this.remember();
  }

  // Where somebody was who looks again.
  async begin(number) {
    if (await this.replace(Math.max(0, number - FETCHED))) this.place(rangeOf(this.box, number), parseFloat(getComputedStyle(this.box).paddingTop));
  }

  place(line, below) {
    if (line) this.box.scrollTop += line.getBoundingClientRect().top - this.box.getBoundingClientRect().top - below;
  }

  toEnd() {
    if (this.follow.checked) this.box.scrollTop = this.box.scrollHeight;
  }

  remember() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const isFollowing = this.follow.checked;
      remember({ follow: isFollowing ? null : 0, line: isFollowing || this.isEmpty ? null : lineAtTop(this.box) });
    }, REMEMBER_AFTER_MS);
  }
}
