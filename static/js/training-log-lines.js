// Lines of a log as elements, and where a line is among them. Lines are text, never markup.
const LINES_PER_BLOCK = 100;
const LEVELS = [
  ["error", /\b(ERROR|CRITICAL|FATAL)\b|^Traceback |^[\w.]*(Error|Exception|Interrupt)\b|\bCUDA out of memory\b/],
  ["warning", /\bWARN(ING)?\b|\b\w*Warning:/],
];

function levelOf(text) {
  return LEVELS.find(([, pattern]) => pattern.test(text))?.[0];
}

// Only lines of a level need an element of their own.
function block(first, lines) {
  const made = document.createElement("div");
  made.dataset.first = first;
  made.dataset.lines = lines.length;
  let plain = [];
  const flush = () => { if (plain.length) made.append(`${plain.join("\n")}\n`); plain = []; };
  for (const text of lines) {
    const level = levelOf(text);
    if (!level) { plain.push(text); continue; }
    flush();
    const line = document.createElement("span");
    line.className = `log-${level}`;
    line.textContent = `${text}\n`;
    made.append(line);
  }
  flush();
  return made;
}

export function blocks(first, lines) {
  const made = [];
  for (let i = 0; i < lines.length; i += LINES_PER_BLOCK) made.push(block(first + i, lines.slice(i, i + LINES_PER_BLOCK)));
  return made;
}

// The text of line `number` as a range; null where it is not among what `box` shows.
export function rangeOf(box, number) {
  const around = [...box.children].find(({ dataset }) => number >= Number(dataset.first) && number < Number(dataset.first) + Number(dataset.lines));
  if (!around) return null;
  let left = number - Number(around.dataset.first);
  const texts = document.createTreeWalker(around, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { data } = texts.currentNode;
    for (let start = 0; start < data.length; left -= 1) {
      const end = data.indexOf("\n", start);
      if (left === 0) {
        const range = document.createRange();
        range.setStart(texts.currentNode, start);
        range.setEnd(texts.currentNode, end + 1);
        return range;
      }
      start = end + 1;
    }
  }
  return null;
}

const bottomOf = (box, number) => rangeOf(box, number)?.getBoundingClientRect().bottom ?? -Infinity;

// The number of the first line that is seen, at least in part.
export function lineAtTop(box) {
  const top = box.getBoundingClientRect().top + parseFloat(getComputedStyle(box).paddingTop);
  const seen = [...box.children].find((each) => each.getBoundingClientRect().bottom > top + 1);
  if (!seen) return null;
  let [low, high] = [Number(seen.dataset.first), Number(seen.dataset.first) + Number(seen.dataset.lines) - 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (bottomOf(box, middle) > top + 1) high = middle;
    else low = middle + 1;
  }
  return low;
}
