// The live board: a socket that proves who it is, notices silence, and comes back without hurry when it is lost.

const PING_EVERY = 25_000;
const SILENCE = 40_000;
const PATIENCE = 15_000; // For the answer to a ping, and for the first board.
const LONGEST_WAIT = 30_000;
const FIRST_WAIT = { 4401: 250, 1012: 4_000 }; // An ended token is one player's; a restart is everybody's at once.
const OFFLINE_AFTER = 3; // Attempts that failed in a row before the badge gives up hope.

const url = () => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
const fullJitter = (ceiling) => Math.random() * ceiling;

export class Live {
  #socket = null;
  #timer = null; // The next attempt, while there is no socket.
  #beat = null;
  #failures = 0;
  #round = 0; // Tells the attempt that counts from those that were overtaken.
  #rejected = null;
  #version = -1;
  #times = { opened: 0, heard: 0, pinged: 0 };

  /** `token(rejected)` gives a token; `onBoard(board)` takes each newer board, `onState(state, why)` the rest. */
  constructor({ token, onBoard, onState }) {
    Object.assign(this, { token, onBoard, onState });
    addEventListener("online", () => this.hurry());
    addEventListener("pageshow", (event) => event.persisted && this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  start() {
    this.stop();
    this.#rejected = null;
    this.onState("connecting");
    this.#connect();
  }

  stop() {
    this.#drop();
    this.#round += 1;
    this.#failures = 0;
    this.#version = -1;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.onState("idle");
  }

  /** There is reason to hope: try now instead of waiting, or see whether the socket still answers. */
  hurry() {
    if (this.#timer !== null) this.#connect();
    else if (this.#socket && this.#times.pinged <= this.#times.heard) this.#ping();
  }

  async #connect() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const round = (this.#round += 1);
    let token;
    try {
      token = await this.token(this.#rejected);
    } catch (problem) {
      if (round !== this.#round || problem.status === 401) return; // The session has ended: who watches it stops this.
      if (problem.status === 403) this.onState("refused", problem.code === "ACCOUNT_SUSPENDED" ? "suspended" : "");
      else this.#again();
      return;
    }
    if (round === this.#round) this.#open(token);
  }

  #open(token) {
    const socket = new WebSocket(url());
    this.#socket = socket;
    const now = Date.now();
    this.#times = { opened: now, heard: now, pinged: now, first: false };
    socket.onopen = () => this.#send("authenticate", { token });
    socket.onmessage = (message) => this.#hear(message.data);
    socket.onclose = (close) => this.#closed(close.code, close.reason, token);
    this.#beat = setInterval(() => this.#check(), 5_000);
  }

  #send(event, data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ event, data }));
  }

  #hear(text) {
    this.#times.heard = Date.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (frame.event === "connected") this.#send("join", { room: "leaderboard" });
    else if (frame.event === "leaderboard:initial") this.#begin(frame.data);
    else if (frame.event === "leaderboard:update" && frame.data.version > this.#version) this.#show(frame.data);
  }

  // The first board after (re)connecting counts whatever its version: the server may have begun to count anew.
  #begin(board) {
    this.#failures = 0;
    this.#rejected = null;
    this.#times.first = true;
    this.onState("live");
    this.#show(board);
  }

  #show(board) {
    this.#version = board.version;
    this.onBoard(board);
  }

  // Browsers slow the timers of hidden pages down. Silence therefore counts only once a ping had its chance.
  #check() {
    const { opened, heard, pinged, first } = this.#times;
    const now = Date.now();
    const unanswered = pinged > heard && now - pinged >= PATIENCE;
    if ((unanswered && now - heard >= SILENCE) || (!first && now - opened > PATIENCE)) this.#closed(0, "");
    else if (now - pinged >= PING_EVERY) this.#ping(now);
  }

  #ping(now = Date.now()) {
    this.#times.pinged = now;
    this.#send("ping", {});
  }

  #drop() {
    clearInterval(this.#beat);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null; // Closing may take a minute; nobody waits for it.
    socket.close();
  }

  #closed(code, reason, token = null) {
    this.#drop();
    if (code === 4403) {
      this.#round += 1;
      this.onState("refused", reason);
      return;
    }
    if (code === 4401) this.#rejected = token;
    this.#again(FIRST_WAIT[code]);
  }

  #again(firstWait = 1_000) {
    const ceiling = Math.min(LONGEST_WAIT, firstWait * 2 ** this.#failures);
    this.#failures += 1;
    const hopeless = this.#failures > OFFLINE_AFTER || navigator.onLine === false;
    this.onState(hopeless ? "offline" : "reconnecting");
    this.#timer = setTimeout(() => this.#connect(), fullJitter(ceiling));
  }
}
