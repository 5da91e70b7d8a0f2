// The marked passage of a document is where the reader looks.
document.querySelector("[data-marked]")?.scrollIntoView({ block: "center" });
