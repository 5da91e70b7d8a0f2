// [data-print] opens the browser's dialog for paper and PDF.
document.querySelector("[data-print]").addEventListener("click", () => window.print());
