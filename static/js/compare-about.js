// The dialog with the title, the tags and who may read a comparison.
const dialog = document.querySelector("[data-about]");

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-about-open]");
  if (opener) {
    opener.closest("details").open = false;
    dialog.showModal();
  } else if (event.target.closest("[data-about-cancel]")) {
    dialog.close();
  }
});
if (dialog?.hasAttribute("data-open")) dialog.showModal();
