// Requests to the API that survive a lost network.
const LONGEST_WAIT_S = 30;
export const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

export class Refused extends Error {
  constructor(status, body) {
    super(body?.error?.message || "");
    this.status = status;
    this.fields = body?.error?.fields || {};
  }
}

function headers() {
  return { ...JSON.parse(document.body.getAttribute("hx-headers")), Accept: "application/json" };
}

// One request; resolves with the body, rejects with Refused, or with another error when the network
// is away or the server is starting again.
export function send(method, url, body, onSent) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    const isPiece = body instanceof Blob;
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", isPiece ? "application/octet-stream" : "application/json");
    request.responseType = "json";
    if (onSent) request.upload.onprogress = (event) => onSent(event.loaded);
    request.onerror = request.ontimeout = () => reject(new Error("network"));
    request.onload = () => {
      if (request.status < 300) resolve(request.response);
      else if ([502, 503, 504].includes(request.status)) reject(new Error("away"));
      else reject(new Refused(request.status, request.response));
    };
    request.send(isPiece ? body : JSON.stringify(body ?? {}));
  });
}

// `act` again and again while the network is away, with longer and longer pauses; `onWait` is told
// how many seconds the next one is.
export async function patiently(act, onWait) {
  for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_WAIT_S)) {
    try {
      return await act();
    } catch (error) {
      if (error instanceof Refused) throw error;
      onWait(pause);
      const online = new Promise((done) => addEventListener("online", done, { once: true }));
      await Promise.race([wait(pause), online]);
    }
  }
}
