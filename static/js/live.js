// Keeps a socket open. After a loss it connects again, ever more slowly, and at once when the network or
// the reader is back. `path()` (which may wait, and fail) is its address with all that is known by then.
import { isLeaving } from "./leaving.js";

const FIRST_PAUSE_MS = 400, LONGEST_PAUSE_MS = 10_000;
// The server says something every 20 seconds; a connection that fell silent has broken unseen.
const SILENT_MS = 60_000, LOOK_EVERY_MS = 5_000;
const UNAUTHENTICATED = 4401, NOT_FOUND = 4404;

// onState("open" | "lost" | "away" | "gone"); away: lost, and not back at once. Returns what connects anew.
export function live(path, onEvent, onState) {
  let pause = FIRST_PAUSE_MS, timer = 0, heardAt = 0, socket = null, turn = 0;

  async function connect() {
    const mine = ++turn;
    stop();
    try {
      const address = await path();
      if (mine === turn) open(address);
    } catch {
      if (mine === turn) later();
    }
  }

  function open(address) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}${address}`);
    heardAt = Date.now();
    socket.onmessage = ({ data }) => {
      pause = FIRST_PAUSE_MS;
      heardAt = Date.now();
      onEvent(JSON.parse(data));
      onState("open");
    };
    socket.onclose = ({ code }) => {
      socket = null;
      if (code !== UNAUTHENTICATED && code !== NOT_FOUND) later();
      else if (isLeaving()) return;
      else if (code === UNAUTHENTICATED) location.reload();
      else onState("gone");
    };
  }

  function stop() {
    clearTimeout(timer);
    timer = 0;
    drop();
  }

  // Whatever still comes of it is not wanted: the next one asks for it.
  function drop() {
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
    socket = null;
  }

  function later() {
    onState(pause > FIRST_PAUSE_MS ? "away" : "lost");
    timer = setTimeout(connect, pause * (0.7 + Math.random() * 0.6));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }

  function lose() {
    turn += 1;
    stop();
    later();
  }

  const isWaiting = () => !socket && timer;
  window.addEventListener("online", () => isWaiting() && connect());
  window.addEventListener("offline", lose);
  document.addEventListener("visibilitychange", () => !document.hidden && isWaiting() && connect());
  window.addEventListener("pagehide", () => { turn += 1; stop(); });
  window.addEventListener("pageshow", (event) => event.persisted && connect());
  setInterval(() => socket && Date.now() - heardAt > SILENT_MS && lose(), LOOK_EVERY_MS);
  connect();
  return connect;
}
