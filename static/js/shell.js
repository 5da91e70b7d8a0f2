// Loads the behaviours every page has. Each is bound by data-* attributes in its own module.
import "./confirm.js";
import "./copy.js";
import "./menus.js";
import "./mistakes.js";
import "./palette.js";
import "./theme.js";
import "./time.js";
import "./toasts.js";
