// What a person has set on a page is kept in its address: a reload, a link and the way back show the same.
export const remembered = (name) => new URLSearchParams(location.search).get(name);

// Null and "" are what a page shows anyway.
export function remember(values) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  if (url.href !== location.href) history.replaceState(history.state, "", url);
}
