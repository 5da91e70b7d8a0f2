// Searching the log on the server, a piece at a time; a match leads to its place.
import { remember, remembered } from "./remembered.js";

export class LogSearch {
  constructor(page, terminal, address) {
    const find = (name) => page.querySelector(`[data-log-${name}]`);
    Object.assign(this, { terminal, address, find, next: null, count: 0 });
    find("search").addEventListener("submit", (event) => { event.preventDefault(); this.begin(); });
    find("level").addEventListener("change", () => this.begin());
    find("more").addEventListener("click", () => this.goOn());
    find("clear").addEventListener("click", () => this.close());
    find("matches").addEventListener("click", ({ target }) => {
      const line = target.closest("[data-line]")?.dataset.line;
      if (line !== undefined) terminal.showLine(Number(line));
    });
    for (const [name, setting] of [["words", "q"], ["level", "level"]]) find(name).value = remembered(setting) || "";
    this.begin();
  }

  close() {
    this.wanted = null;
    this.find("found").hidden = true;
    this.find("words").value = this.find("level").value = "";
    remember({ q: null, level: null });
  }

  begin() {
    const words = this.find("words").value.trim(), level = this.find("level").value;
    if (!words && !level) { this.close(); return; }
    remember({ q: words, level });
    Object.assign(this, { wanted: { q: words, level }, next: 0, count: 0 });
    this.find("matches").replaceChildren();
    this.find("found").hidden = false;
    this.goOn();
  }

  // Until a page of matches is there, or the end.
  async goOn() {
    const wanted = this.wanted, until = this.count + 100;
    while (this.next !== null && this.count < until && this.wanted === wanted) {
      const query = new URLSearchParams({ ...wanted, after: this.next, limit: 100 });
      const answer = await fetch(`${this.address}?${query}`).catch(() => null);
      if (this.wanted !== wanted) return;
      if (!answer?.ok) { this.tell(); return; } // “Search on” asks again
      const { items, next } = await answer.json();
      this.find("matches").append(...items.map(({ line, text }) => this.row(line, text)));
      this.count += items.length;
      this.next = next;
      this.tell();
    }
  }

  row(number, text) {
    const [row, button] = [document.createElement("li"), document.createElement("button")];
    const [place, words] = [document.createElement("span"), document.createElement("span")];
    button.type = "button";
    button.dataset.line = number;
    place.textContent = (number + 1).toLocaleString();
    words.textContent = text.slice(0, 400);
    button.append(place, words);
    row.append(button);
    return row;
  }

  tell() {
    const box = this.find("found").dataset, isEnd = this.next === null;
    const text = !this.count && isEnd ? box.textNone : isEnd ? box.textSome : box.textMore;
    this.find("count").textContent = text.replace("{n}", this.count.toLocaleString());
    this.find("more").hidden = isEnd;
  }
}
