// Columns scroll together, in proportion to their lengths, while the reader wants it.
const KEY = "compare-scroll-together";

export function together(root, toggle) {
  const scrollers = [...root.querySelectorAll("[data-column-scroll]")];
  const room = (each) => each.scrollHeight - each.clientHeight;
  let leader = null;

  toggle.checked = localStorage.getItem(KEY) !== "no";
  toggle.addEventListener("change", () => {
    localStorage.setItem(KEY, toggle.checked ? "yes" : "no");
  });

  // Whoever the reader touches leads; the scrolling of the others is an echo of it.
  for (const scroller of scrollers) {
    for (const kind of ["wheel", "touchstart", "pointerdown", "keydown", "focusin"]) {
      scroller.addEventListener(kind, () => { leader = scroller; }, { passive: true });
    }
    scroller.addEventListener("scroll", () => {
      const isBusy = root.hasAttribute("data-answering");
      if (!toggle.checked || leader !== scroller || isBusy || room(scroller) < 1) return;
      const share = scroller.scrollTop / room(scroller);
      for (const other of scrollers) if (other !== scroller) other.scrollTop = share * room(other);
    }, { passive: true });
  }
}
