// A clock, a server and sockets that do as they are told, for races that real ones cannot be made to show.

import { mock } from "node:test";

mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_700_000_000_000 });
Math.random = () => clock.luck;

export const clock = { luck: 0.5 }; // What Math.random answers.

/** Let so many milliseconds pass, and everything happen that waits for nothing else. */
export async function pass(ms = 0) {
  await settle();
  mock.timers.tick(ms);
  await settle();
}

// Reading the body of an answer takes Node a few turns.
async function settle() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
}

/** What a player's session looks like; `left` is how many milliseconds it lasts before it should be renewed. */
export const player = (name = "a", left = 600_000) => ({
  accessToken: `access-${name}`,
  refreshToken: `refresh-${name}`,
  userId: name.codePointAt(0),
  username: name,
  role: "player",
  renewAt: Date.now() + left,
  expiresAt: Date.now() + left + 90_000,
});

/** A `fetch` that asks `answers`, by `METHOD /path`, for a body, a Response, or a promise of one; it keeps `calls`. */
export function serve(answers) {
  const fetch = async (url, request) => {
    const pathname = new URL(url).pathname.replace(/^.*?(?=\/api\/)/, ""); // The server may live below some path.
    const token = request.headers.Authorization?.slice("Bearer ".length) ?? null;
    fetch.calls.push({ path: pathname, token, body: request.body === undefined ? null : JSON.parse(request.body) });
    const answer = await answers[`${request.method} ${pathname}`](token, JSON.parse(request.body ?? "null"));
    return answer instanceof Response ? answer : Response.json(answer);
  };
  fetch.calls = [];
  return fetch;
}

/** The WebSocket of a browser, with the server's end in the same hand. */
export class Socket {
  static all = [];
  readyState = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    Socket.all.push(this);
  }

  static get last() { return Socket.all.at(-1); }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 3; }

  opens() { this.readyState = 1; this.onopen?.(); }
  says(event, data = {}) { this.onmessage?.({ data: JSON.stringify({ event, data }) }); }
  ends(code, reason = "") { this.readyState = 3; this.onclose?.({ code, reason }); }

  /** All that a good connection begins with. */
  welcomes(version = 1) {
    this.opens();
    if (this.sent[0].event === "authenticate") this.says("connected", { userId: 1 });
    this.says("leaderboard:initial", board(version));
  }

  /** The names of the frames that the client sent. */
  get events() { return this.sent.map(({ event }) => event); }
}

const board = (version) => ({ leaderboard: [], updatedAt: "2026-01-31T12:00:00.123Z", version });
Socket.prototype.updates = function updates(version) { this.says("leaderboard:update", board(version)); };

/** A store that several clients share, as tabs do; with `locks` they take turns. */
export function tab(shared, locks) {
  let turn = Promise.resolve();
  shared.watchers ??= new Set();
  shared.exclusively ??= (work) => (turn = turn.then(work, work));
  return {
    load: () => shared.session,
    save: (session) => { shared.session = session; for (const watcher of shared.watchers) watcher(); },
    watch: (changed) => shared.watchers.add(changed),
    ...(locks && { exclusively: shared.exclusively }),
  };
}
