// The theme of the whole platform (the class the server gave <html>) wins over unfold's own memory.
const chosen = ["light", "dark"].find((theme) => document.documentElement.classList.contains(theme));
localStorage.setItem("adminTheme", JSON.stringify(chosen ?? "auto"));
