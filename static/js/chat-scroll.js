// The end of a conversation stays in view only for a reader who is there.
const NEAR_PX = 60;

// `scroller` shows a conversation, `button` leads to its end; either may be missing. `isFollowing`:
// whether the reader is at the end to begin with.
export function following(scroller, button, isFollowing = true) {
  let before = 0;

  function toEnd() {
    if (!scroller) return;
    isFollowing = true;
    scroller.scrollTop = scroller.scrollHeight;
  }

  // Shows this part of the conversation; its reader is not at the end.
  function toPlace(element) {
    isFollowing = false;
    const [whole, part] = [scroller.getBoundingClientRect(), element.getBoundingClientRect()];
    const spare = Math.max(0, whole.height - part.height) / 2;
    // Not scrollIntoView, which moves the page around it, too.
    scroller.scrollTop += part.top - whole.top - spare;
    show();
  }

  // Changes the conversation with `change`, and keeps the reader's place.
  function keepingPlace(change) {
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
  scroller?.addEventListener("scroll", () => {
    if (scroller.scrollTop < before - 2 && !isNearEnd()) isFollowing = false;
    else if (isNearEnd()) isFollowing = true;
    before = scroller.scrollTop;
    show();
  }, { passive: true });
  button?.addEventListener("click", () => { toEnd(); show(); });
  return { toEnd, toPlace, keepingPlace };
}

const page = following(
  document.querySelector("[data-scroll]"), document.querySelector("[data-to-end]"),
);
export const { toEnd, toPlace, keepingPlace } = page;
