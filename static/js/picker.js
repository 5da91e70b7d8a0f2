// A sign at the beginning of a word offers something in a list: `panel` belongs to the text area that
// its data-for names. `typed` matches what stands before the cursor: [all, before, sign and words,
// words]. `take` gets the chosen option and gives the text that takes the place of the sign and what
// was typed after it; null leaves it.
const PAUSE_MS = 120;

export class Picker {
  constructor(panel, { sign, typed, take }) {
    this.panel = panel;
    this.sign = sign;
    this.typed = typed;
    this.filled = take;
    this.text = document.getElementById(panel.dataset.for);
    this.list = panel.querySelector("[data-picker-list]");
    this.asked = 0;
    this.text.setAttribute("aria-autocomplete", "list");
    this.text.addEventListener("input", () => this.follow());
    this.text.addEventListener("blur", () => this.close());
    // Before the keys reach the text area: there Enter sends.
    document.addEventListener("keydown", (event) => this.press(event), true);
    panel.addEventListener("mousedown", (event) => event.preventDefault());
    panel.addEventListener("click", (event) => this.take(event.target.closest("[role=option]")));
  }

  get isOpen() { return !this.panel.hidden; }
  get options() { return [...this.list.querySelectorAll("[role=option]")]; }
  get chosen() { return this.options.find((each) => each.getAttribute("aria-selected") === "true"); }

  follow() {
    const typed = this.text.value.slice(0, this.text.selectionStart).match(this.typed);
    if (!typed) return this.close();
    this.range = [this.text.selectionStart - typed[2].length, this.text.selectionStart];
    clearTimeout(this.timer);
    this.isWaiting = true;
    this.timer = setTimeout(() => this.search(typed[3]), this.isOpen ? PAUSE_MS : 0);
  }

  async search(words) {
    const turn = ++this.asked;
    let markup = "";
    try {
      const answer = await fetch(`${this.panel.dataset.url}?q=${encodeURIComponent(words)}`);
      markup = answer.ok ? await answer.text() : "";
    } catch { /* said below */ }
    if (turn !== this.asked) return;
    this.list.innerHTML = markup;
    if (!markup) this.list.textContent = this.panel.dataset.failed;
    this.panel.hidden = false;
    this.text.setAttribute("aria-controls", this.list.id);
    this.isWaiting = false;
    this.select(0);
    if (this.isTaken) this.take(this.chosen);
  }

  close() {
    clearTimeout(this.timer);
    this.asked++;
    if (this.isOpen) this.text.removeAttribute("aria-activedescendant");
    this.panel.hidden = true;
    this.isWaiting = this.isTaken = false;
  }

  select(index) {
    this.options.forEach((each, i) => each.setAttribute("aria-selected", String(i === index)));
    if (!this.chosen) return;
    this.text.setAttribute("aria-activedescendant", this.chosen.id);
    this.chosen.scrollIntoView({ block: "nearest" });
  }

  press(event) {
    if (!this.isOpen || event.target !== this.text || event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const takes = (event.key === "Enter" && !event.shiftKey) || event.key === "Tab";
    const count = this.options.length;
    if (event.key === "Escape") this.close();
    else if (step && count) this.select((this.options.indexOf(this.chosen) + step + count) % count);
    else if (takes && this.isWaiting) this.isTaken = true;
    else if (takes && this.chosen) this.take(this.chosen);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  async take(option) {
    if (!option) return;
    const [start, end] = this.range;
    this.close();
    const text = await this.filled(option);
    this.text.focus();
    if (text === null) return;
    this.text.setRangeText(text, start, end, "end");
    this.text.dispatchEvent(new Event("input", { bubbles: true }));
    this.text.scrollTop = this.text.scrollHeight;
  }

  open() {
    const { selectionStart, value } = this.text;
    const isWithinWord = selectionStart > 0 && /\S/u.test(value[selectionStart - 1]);
    const sign = isWithinWord ? ` ${this.sign}` : this.sign;
    this.text.focus();
    this.text.setRangeText(sign, selectionStart, this.text.selectionEnd, "end");
    this.text.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
