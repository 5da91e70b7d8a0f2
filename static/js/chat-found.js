// Where a search led: `#message-…` in the address names the message, `?q=` the words in it.
const LETTERS = /[\p{L}\p{N}\p{M}]+/gu;

// The first of the words in that message, or its start; undefined where no message is named.
export function found() {
  const id = location.hash.slice(1);
  const message = id.startsWith("message-") ? document.getElementById(id) : null;
  if (!message) return undefined;
  const words = new URLSearchParams(location.search).get("q")?.toLowerCase().match(LETTERS) ?? [];
  const ranges = words.flatMap((word) => places(message, word));
  if (ranges.length && window.Highlight) CSS.highlights.set("found", new Highlight(...ranges));
  ranges.sort((one, other) => one.compareBoundaryPoints(Range.START_TO_START, other));
  return ranges[0]?.startContainer.parentElement ?? message;
}

function places(message, word) {
  const ranges = [];
  const text = message.querySelector("[data-answer], .question");
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, plain = node.data.toLowerCase();
    for (let at = plain.indexOf(word); at >= 0; at = plain.indexOf(word, at + word.length)) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, Math.min(at + word.length, node.length));
      ranges.push(range);
    }
  }
  return ranges;
}
