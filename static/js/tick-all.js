// [data-tick-all] is a form of rows with boxes; [data-tick-every] in it ticks all of them.
for (const form of document.querySelectorAll("[data-tick-all]")) {
  const every = form.querySelector("[data-tick-every]");
  const boxes = [...form.querySelectorAll("tbody input[type=checkbox]")];
  const show = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    every.checked = ticked === boxes.length;
    every.indeterminate = ticked > 0 && ticked < boxes.length;
  };
  every.addEventListener("change", () => {
    for (const box of boxes) box.checked = every.checked;
  });
  form.addEventListener("change", show);
  show();
}
