// "/" at the beginning of a word offers prompts: [data-prompt-picker] belongs to a text area. A
// prompt with variables asks for them in a dialog. A keyboard's ／ counts as well.
import { Picker } from "./picker.js";
import { filled } from "./prompt-fill.js";

const PROMPTS = {
  sign: "/",
  typed: /(^|\s)([/／]([^\s/／]*))$/u,
  take: (option) => filled(option.dataset.url),
};

const panels = [...document.querySelectorAll("[data-prompt-picker]")];
const pickers = panels.map((panel) => new Picker(panel, PROMPTS));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-prompt-open]");
  if (button) pickers.find((each) => each.text.id === button.dataset.promptOpen)?.open();
});
