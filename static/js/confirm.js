// A form with data-confirm asks before it is sent: data-confirm (the question), data-confirm-text,
// data-confirm-yes (the verb). Without scripts the form is simply sent.
const dialog = document.querySelector("[data-confirm-dialog]");
let pending = null;

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-confirm]");
  if (!form || !dialog || form.dataset.confirmed) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  pending = { form, submitter: event.submitter };
  dialog.querySelector("[data-confirm-title]").textContent = form.dataset.confirm;
  dialog.querySelector("[data-confirm-text]").textContent = form.dataset.confirmText || "";
  dialog.querySelector("[data-confirm-yes]").textContent =
    form.dataset.confirmYes || event.submitter?.textContent || "OK";
  dialog.returnValue = "";
  dialog.showModal();
}, true);

dialog?.addEventListener("close", () => {
  const { form, submitter } = pending || {};
  pending = null;
  if (dialog.returnValue !== "yes" || !form) return;
  form.dataset.confirmed = "yes";
  form.requestSubmit(submitter);
  delete form.dataset.confirmed;
});
