// Fairboard's client: calls, a session that renews itself, proofs, and the live board. One module without dependencies,
// for browsers, their workers, and Node 22 or later. What each part promises is in fairboard.d.ts.

const DEADLINE = 15_000; // For the answer to a call.
const EARLY = 90_000; // Renew this long before the end: timers of hidden pages run once a minute.
const OTHER_TAB = 1_000; // How much longer than ours the answer to another tab may take.
const SEEN = 100; // Until another tab, which is another process, sees what was stored.
const PING_EVERY = 25_000;
const PATIENCE = 15_000; // For the answer to a ping, and from opening a socket to its first board.
const SHORT_PATIENCE = 5_000; // For the answer to a ping when there is reason to doubt the connection.
const IN_A_CROWD = 35_000; // For the answer to `authenticate`: the server takes up to thirty seconds when many come.
const OFFLINE_AFTER = 3; // Attempts that failed in a row.
const [LONGEST_WAIT, MAX_TIMER] = [30_000, 2 ** 31 - 1];
// The ceiling of the first wait: a token's end is one player's, a restart everybody's, and 1008 says: too much of you.
const FIRST_WAIT = { 1008: 60_000, 1012: 4_000, 4401: 250 };
const [LOST, RESTART, UNAUTHENTICATED, FORBIDDEN] = [1006, 1012, 4401, 4403];

export class FairboardError extends Error {
  constructor({ status = 0, code = "NETWORK", detail = "", errors = null, retryAfter = null } = {}) {
    super(detail || code);
    Object.assign(this, { name: "FairboardError", status, code, detail, errors, retryAfter });
  }
}

async function errorOf(response) {
  const { status, headers } = response;
  const { detail, errors, ...body } = (await response.json().catch(() => null)) ?? {};
  const code = body.code ?? (status >= 500 ? "SERVICE_UNAVAILABLE" : "UNKNOWN");
  const seconds = Number.parseInt(headers.get("Retry-After"), 10);
  return new FairboardError({ status, code, detail, errors, retryAfter: seconds >= 0 ? Math.max(1, seconds) : null });
}

const pause = (ms, result) => new Promise((done) => setTimeout(done, ms, result));
// A listener that fails must not take the connection down with it.
function safely(tell) { try { tell(); } catch (error) { console.error(error); } }

function parsed(text) { try { return JSON.parse(text); } catch { return null; } }

// ---- Where sessions are kept

const memoryStore = (kept = null) => ({ load: () => kept, save: (session) => void (kept = session) });

export function browserStore(key = "fairboard.session") {
  try {
    localStorage.setItem(`${key}.probe`, "1");
    localStorage.removeItem(`${key}.probe`);
  } catch {
    return memoryStore(); // Refused, full, or not there at all.
  }
  return {
    load: () => parsed(localStorage.getItem(key)),
    save: (held) => (held ? localStorage.setItem(key, JSON.stringify(held)) : localStorage.removeItem(key)),
    watch: (changed) =>
      globalThis.addEventListener?.("storage", (event) => [key, null].includes(event.key) && changed()),
    exclusively: globalThis.navigator?.locks && ((work) =>
      navigator.locks.request(`${key}.lock`, () => work().then((token) => pause(SEEN, token)))),
  };
}

// ---- The player

// A timer may fire a little early, and is not to get the old token.
const usable = (held, rejected) => held.accessToken !== rejected && held.renewAt > Date.now() + 50;
const unauthorized = (code = "UNAUTHORIZED") => new FairboardError({ status: 401, code });

export class Fairboard {
  #url; #options; #store; #renewal = null;
  #listeners = new Set();

  constructor(options = {}) {
    const { fetch, WebSocket } = globalThis;
    const url = options.url ?? globalThis.location?.origin;
    if (!/^https?:/.test(url)) throw new TypeError("Fairboard needs the url of its server.");
    this.#url = url.replace(/\/+$/, "");
    this.#options = { fetch, WebSocket, credentials: () => null, ...options };
    this.#store = options.store ?? memoryStore();
    this.#store.watch?.(() => this.#tell());
  }

  // Never a copy: another tab may have renewed or ended it.
  get session() {
    const held = this.#store.load();
    return held?.accessToken && held.refreshToken && held.userId ? held : null;
  }

  onSession(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  register(username, password) { return this.#send("POST", "/api/auth/register", { body: { username, password } }); }

  async login(username, password) {
    return this.#save({}, await this.#send("POST", "/api/auth/login", { body: { username, password } }));
  }

  async logout() {
    const telling = this.session ? this.call("POST", "/api/auth/logout") : Promise.resolve();
    const told = await telling.then(() => true, (error) => error.status === 401);
    this.#forget();
    return told;
  }

  me() { return this.call("GET", "/api/me"); }
  async actions() { return (await this.call("GET", "/api/actions")).actions; }
  requestAction(actionType) { return this.call("POST", "/api/actions/request", { actionType }); }

  async complete(ticket, completionTime, data = {}) {
    if (!canProve()) throw new FairboardError({ code: "NO_WEB_CRYPTO", detail: "Proofs need https or localhost." });
    const actionToken = ticket.actionToken ?? ticket;
    const time = Math.round(completionTime);
    const sent = JSON.parse(JSON.stringify(data)); // As it travels: without undefined members and the like.
    const proof = { completionTime: time, checksum: await checksum(actionToken, time, sent) };
    return this.call("POST", "/api/actions/complete", { actionToken, proof, data: sent });
  }

  completeOnce(actionId, data = {}) { return this.call("POST", "/api/action/complete", { actionId, data }); }

  leaderboard(limit = 10) {
    const path = `/api/leaderboard?limit=${encodeURIComponent(limit)}`;
    return this.session ? this.call("GET", path) : this.#send("GET", path);
  }

  subscribe(watcher) {
    const open = () => new this.#options.WebSocket(`${this.#url.replace(/^http/, "ws")}/ws`);
    return new Live(this, watcher, { open, token: (rejected) => this.#token(rejected) });
  }

  async #send(method, path, { token, body } = {}) {
    const headers = { ...(token && { Authorization: `Bearer ${token}` }) };
    if (body) headers["Content-Type"] = "application/json";
    const signal = AbortSignal.timeout(DEADLINE);
    const request = { method, headers, body: JSON.stringify(body), signal, cache: "no-store", credentials: "omit" };
    const { fetch } = this.#options; // Browsers want it called as a plain function.
    let response;
    try {
      response = await fetch(this.#url + path, request);
      if (response.ok) return response.status === 204 ? null : await response.json();
    } catch {
      throw new FairboardError();
    }
    throw await errorOf(response);
  }

  // A token that the server no longer takes is renewed once, and the call made again. Not so for a wrong password.
  async call(method, path, body) {
    const token = await this.#token();
    try {
      return await this.#send(method, path, { token, body });
    } catch (error) {
      if (error.status !== 401 || error.code === "INVALID_CREDENTIALS") throw error;
      return this.#send(method, path, { token: await this.#token(token), body });
    }
  }

  // An access token that should work; pass the one that the server rejected to get another.
  async #token(rejected = null) {
    const held = this.session;
    if (!held) throw unauthorized();
    return usable(held, rejected) ? held.accessToken : this.#renew(rejected);
  }

  // A refresh token works once. Here all callers share one renewal; between tabs the store makes them wait, and whoever
  // comes second finds the first one's token. Web Locks exist on secure pages only: elsewhere a tab may be told that the
  // token is spent, and then gives the other one, who has spent it, time to keep the next.
  #renew(rejected) {
    const rotate = () => this.#rotate(rejected);
    this.#renewal ??= (this.#store.exclusively?.(rotate) ?? rotate()).finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  async #rotate(rejected) {
    const held = this.session;
    if (!held) throw unauthorized();
    if (usable(held, rejected)) return held.accessToken;
    try {
      return this.#keep(held, await this.#send("POST", "/api/auth/refresh", { token: held.refreshToken }));
    } catch (error) {
      if (error.status !== 401) throw error;
      if (this.#store.watch) await pause(OTHER_TAB);
      return this.#overtaken(held) ? this.#rotate(rejected) : this.#comeBack(held);
    }
  }

  // Somebody has logged out, or in as another, while an answer was under way: theirs stands.
  #overtaken(held) { return this.session?.refreshToken !== held.refreshToken; }
  #keep(held, answer) { return this.#overtaken(held) ? this.#rotate() : this.#save(held, answer).accessToken; }

  async #comeBack(held) {
    const known = this.#options.credentials(held.username);
    try {
      if (known) return this.#keep(held, await this.#send("POST", "/api/auth/login", { body: known }));
    } catch (error) {
      if (error.status !== 401) throw error;
    }
    this.#forget(true);
    throw unauthorized("SESSION_OVER");
  }

  #save(held, { expiresIn, ...answer }) {
    const life = expiresIn * 1_000;
    const expiresAt = Date.now() + life;
    const session = { ...held, ...answer, expiresAt, renewAt: expiresAt - Math.min(EARLY, life / 3) };
    this.#store.save(session);
    this.#tell();
    return session;
  }

  #forget(over) { this.#store.save(null); this.#tell(over); }
  #tell(over = false) { for (const listener of [...this.#listeners]) safely(() => listener(this.session, over)); }
}

// ---- The live board

class Live {
  #fairboard; #watcher; #means; // `open()` gives a socket, `token(rejected)` a token for it.
  #state = null; #reason = ""; #board = null;
  #player = null; // Whose socket it is: a userId, or null for nobody's.
  #socket = null; #token = null; #rejected = null;
  #version = -1; // The newest of this connection; the next one may begin anew.
  #failures = 0;
  #attempt = 0; // Tells the attempt that counts from those that were overtaken.
  #asked = 0; // How long the answer to a ping may take, while one is under way.
  #timers = { retry: null, pulse: null, renewal: null };
  #ending = new AbortController();

  constructor(fairboard, watcher, means) {
    [this.#fairboard, this.#watcher, this.#means] = [fairboard, watcher, means];
    this.#lookAround();
    queueMicrotask(() => this.#begin()); // The watcher may name what `subscribe` is about to answer.
  }

  get state() { return this.#state ?? "connecting"; }
  get board() { return this.#board; }
  hurry() { return void (this.#timers.retry === null ? this.#doubt() : this.#connect()); }
  close() { this.#stop("closed"); this.#ending.abort(); }

  #lookAround() {
    const { signal } = this.#ending;
    const listen = (event, work) => globalThis.addEventListener?.(event, work, { signal });
    listen("online", () => this.hurry());
    listen("offline", () => this.#doubt());
    listen("pageshow", (event) => event.persisted && this.hurry());
    globalThis.document?.addEventListener("visibilitychange", () => document.hidden || this.hurry(), { signal });
    // A socket belongs to one player for its life.
    const follow = (held) => (held?.userId ?? null) !== this.#player && this.#begin();
    signal.addEventListener("abort", this.#fairboard.onSession(follow));
  }

  #begin() {
    this.#drop();
    [this.#failures, this.#rejected] = [0, null];
    this.#say("connecting");
    this.#connect();
  }

  async #connect() {
    if (this.#state === "closed") return;
    this.#set("retry", null);
    const attempt = (this.#attempt += 1);
    this.#player = this.#fairboard.session?.userId ?? null;
    try {
      const token = this.#player === null ? null : await this.#means.token(this.#rejected);
      if (attempt === this.#attempt) this.#open(token);
    } catch (error) {
      if (attempt === this.#attempt) this.#closed(error.status === 403 ? FORBIDDEN : LOST, error.code);
    }
  }

  #open(token) {
    const socket = this.#means.open();
    socket.onopen = () => (token ? this.#introduce(token) : this.#join());
    socket.onmessage = (message) => safely(() => this.#hear(parsed(message.data)));
    socket.onclose = (close) => this.#closed(close.code, close.reason);
    socket.onerror = () => {}; // A close follows.
    [this.#socket, this.#token, this.#version, this.#asked] = [socket, token, -1, 0];
    this.#set("pulse", PATIENCE, () => this.#closed(LOST));
  }

  #send(event, data) { if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify({ event, data })); }

  #hear(frame) {
    if (this.#state === "live") this.#relax();
    if (frame?.event === "connected") this.#welcomed();
    else if (frame?.event === "error") this.#scolded(frame.data?.code);
    else if (/^leaderboard:(initial|update)$/.test(frame?.event)) this.#take(frame.data);
  }

  #introduce(token) { this.#set("pulse", IN_A_CROWD, () => this.#closed(LOST)); this.#send("authenticate", { token }); }
  #join() { this.#send("join", { room: "leaderboard" }); }

  #welcomed() {
    if (this.#state !== "live") this.#join();
    this.#rejected = null;
    const { renewAt } = this.#fairboard.session ?? {};
    if (renewAt) this.#set("renewal", Math.min(MAX_TIMER, Math.max(1_000, renewAt - Date.now())), () => this.#stay());
  }

  // A socket ends with its token. With a newer one it may stay, and the board does not blink.
  async #stay() {
    const socket = this.#socket;
    this.#set("renewal", 10_000, () => this.#stay()); // Until it is welcomed again.
    const token = await this.#means.token(this.#rejected).catch(() => null);
    if (!token || socket !== this.#socket) return;
    this.#token = token;
    this.#send("authenticate", { token });
  }

  #scolded(code) {
    if (["INVALID_TOKEN", "TOKEN_EXPIRED"].includes(code)) this.#rejected = this.#token;
    else if (code === "SERVICE_UNAVAILABLE" && this.#state !== "live") this.#closed(LOST);
  }

  // What comes first counts whatever its version, because the server may have begun to count anew. 0 is unknown.
  #take(board) {
    const first = this.#state !== "live";
    if (!first && this.#version !== 0 && !(board.version > this.#version)) return;
    this.#version = board.version;
    const shown = this.#board?.version ?? 0;
    const known = first && shown !== 0 && [0, shown].includes(board.version);
    if (!known) this.#board = board;
    this.#failures = 0;
    this.#relax();
    this.#say("live");
    if (!known && this.#state === "live") this.#watcher.onBoard(board);
  }

  #relax() { this.#asked = 0; this.#set("pulse", PING_EVERY, () => this.#ping(PATIENCE)); }
  #doubt() { if (this.#state === "live") this.#ping(SHORT_PATIENCE); }

  #ping(patience) {
    if (this.#asked && this.#asked <= patience) return;
    this.#asked = patience;
    this.#set("pulse", patience, () => this.#closed(LOST));
    this.#send("ping", {});
  }

  #closed(code, reason = "") {
    this.#drop();
    if (code === FORBIDDEN) return this.#stop("refused", /suspended/i.test(reason) ? "suspended" : "forbidden");
    if (code === UNAUTHENTICATED && this.#token === null) return this.#stop("refused", "session-over");
    const late = code === UNAUTHENTICATED && reason === "authenticate"; // One of a crowd, as is who loses a live board.
    if (code === UNAUTHENTICATED && !late) this.#rejected = this.#token;
    return this.#again(late || (code === LOST && this.#state === "live") ? RESTART : code);
  }

  // Exponential backoff with full jitter.
  #again(code, least = code === 1008 ? 10_000 : 0) {
    const first = FIRST_WAIT[code] ?? 1_000;
    const ceiling = Math.min(Math.max(LONGEST_WAIT, first), first * 2 ** this.#failures);
    this.#failures += 1;
    this.#set("retry", least + Math.random() * ceiling, () => this.#connect());
    this.#say(this.#failures > OFFLINE_AFTER || globalThis.navigator?.onLine === false ? "offline" : "reconnecting");
  }

  #set(name, ms, work) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = ms === null ? null : setTimeout(work, ms);
  }

  // Closing may take a minute; nobody waits for it.
  #drop() {
    this.#attempt += 1;
    for (const name of Object.keys(this.#timers)) this.#set(name, null);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    socket?.close();
  }

  #stop(state, reason) { this.#drop(); this.#say(state, reason); }

  #say(state, reason = "") {
    if (this.#state === "closed" || (state === this.#state && reason === this.#reason)) return;
    [this.#state, this.#reason] = [state, reason];
    safely(() => this.#watcher.onState?.(state, reason));
  }
}

// ---- The proof. No secret: it only shows that the time and the data travelled together with the token.

export function canonicalJson(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).sort((a, b) => (codePoints(a) < codePoints(b) ? -1 : 1));
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`).join(",")}}`;
}

// JavaScript's own order is by UTF-16, the server's by code point.
const codePoints = (text) => Array.from(text, (letter) => letter.codePointAt(0).toString(16).padStart(6, "0")).join("");

export async function checksum(actionToken, milliseconds, data = {}) {
  const bytes = (text) => new TextEncoder().encode(text);
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(actionToken), hmac, false, ["sign"]);
  const signed = await crypto.subtle.sign("HMAC", key, bytes(`${milliseconds}.${canonicalJson(data)}`));
  return Array.from(new Uint8Array(signed), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const canProve = () => Boolean(globalThis.crypto?.subtle);
