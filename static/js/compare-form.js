import "./chat-files.js";

// Places for models: two at first, more one by one. Without this all six are there.
const form = document.querySelector("[data-compare-form]");
const places = [...(form?.querySelectorAll("[data-place]") ?? [])];
const add = form?.querySelector("[data-place-add]");
const AT_FIRST = 2;

const choice = (place) => place.querySelector("select");

function show() {
  add.hidden = places.every((place) => !place.hidden);
}

places.forEach((place, index) => {
  const remove = place.querySelector("[data-place-remove]");
  place.hidden = index >= AT_FIRST && !choice(place).value;
  if (remove) {
    remove.hidden = false;
    remove.addEventListener("click", () => {
      for (const field of place.querySelectorAll("select, input, textarea")) field.value = "";
      place.hidden = true;
      form.dispatchEvent(new Event("change"));
      show();
      add.focus();
    });
  }
});
add?.addEventListener("click", () => {
  const next = places.find((place) => place.hidden);
  next.hidden = false;
  choice(next).focus();
  show();
});
if (add) show();
