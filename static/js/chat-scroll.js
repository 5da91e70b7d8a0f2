// The end of the conversation stays in view only for a reader who is there.
const scroller = document.querySelector("[data-scroll]");
const button = document.querySelector("[data-to-end]");
const NEAR_PX = 60;
let isFollowing = true;

export function toEnd() {
  if (!scroller) return;
  isFollowing = true;
  scroller.scrollTop = scroller.scrollHeight;
}

// Shows this part of the conversation; its reader is not at the end.
export function toPlace(element) {
  isFollowing = false;
  element.scrollIntoView({ block: element.offsetHeight < scroller.clientHeight ? "center" : "start" });
  show();
}

// Changes the conversation with `change`, and keeps the reader's place.
export function keepingPlace(change) {
  change();
  if (isFollowing) toEnd();
  show();
}

function isNearEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_PX;
}

function show() {
  if (button) button.hidden = isFollowing || isNearEnd();
}

// Only the reader stops the following: a wheel, a finger or a key, never growing text.
let before = 0;
scroller?.addEventListener("scroll", () => {
  if (scroller.scrollTop < before - 2 && !isNearEnd()) isFollowing = false;
  else if (isNearEnd()) isFollowing = true;
  before = scroller.scrollTop;
  show();
}, { passive: true });
button?.addEventListener("click", () => { toEnd(); show(); });
