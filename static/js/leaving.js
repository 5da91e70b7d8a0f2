// Whether a form was sent that decides where this page goes next, e.g. with word of what it
// deleted. A socket that closes meanwhile (it often comes first) must not go elsewhere.
let isSent = false;

window.addEventListener("submit", (event) => { isSent ||= !event.defaultPrevented; });
window.addEventListener("pageshow", () => { isSent = false; });

export const isLeaving = () => isSent;
