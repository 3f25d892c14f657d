// The HTTP API: one way to send, one kind of error, and an access token that renews itself.

import { exclusively } from "./lock.js";
import * as session from "./session.js";

const DEADLINE = 15_000;
const EARLY = 15_000; // Renew this long before the end, so that a token does not die on its way.

/** A refusal, as `application/problem+json` or as what stands for it when nothing was answered. */
export class Problem extends Error {
  constructor({ status = 0, code = "NETWORK", detail = "", errors = null, retryAfter = null } = {}) {
    super(detail || code);
    Object.assign(this, { status, code, detail, errors, retryAfter });
  }
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const seconds = Number.parseInt(response.headers.get("Retry-After"), 10);
  return new Problem({
    status: response.status,
    code: body.code ?? (response.status >= 500 ? "SERVICE_UNAVAILABLE" : "UNKNOWN"),
    detail: body.detail,
    errors: body.errors,
    retryAfter: Number.isFinite(seconds) ? Math.max(1, seconds) : null,
  });
}

async function send(method, path, { token, body } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    const signal = AbortSignal.timeout(DEADLINE);
    const text = body === undefined ? undefined : JSON.stringify(body);
    response = await fetch(path, { method, headers, body: text, signal, cache: "no-store", credentials: "omit" });
    if (response.ok) return response.status === 204 ? null : await response.json();
  } catch {
    throw new Problem();
  }
  throw await problemOf(response);
}

const usable = (held, rejected) => held.accessToken !== rejected && held.expiresAt - EARLY > Date.now();

/** An access token that should work; pass the one that the server rejected to get another. */
export async function accessToken(rejected = null) {
  const held = session.current();
  if (!held) throw new Problem({ status: 401, code: "UNAUTHORIZED" });
  return usable(held, rejected) ? held.accessToken : renew(rejected);
}

let renewal = null;

// A refresh token works once. Within a tab all callers share one renewal; between tabs the lock makes them wait, and
// whoever comes second finds the first one's token in storage.
function renew(rejected) {
  renewal ??= exclusively("fairboard.refresh", () => rotate(rejected)).finally(() => {
    renewal = null;
  });
  return renewal;
}

async function rotate(rejected) {
  const held = session.current();
  if (!held) throw new Problem({ status: 401, code: "UNAUTHORIZED" });
  if (usable(held, rejected)) return held.accessToken;
  try {
    const answer = await send("POST", "/api/auth/refresh", { token: held.refreshToken });
    return keep(held, answer);
  } catch (problem) {
    if (problem.status === 401) return comeBack(held);
    throw problem;
  }
}

// Somebody may have logged out, or in as another, while the answer was under way: theirs stands.
function keep(held, answer) {
  if (session.current()?.refreshToken !== held.refreshToken) return accessToken();
  session.save(held, answer);
  return answer.accessToken;
}

// The session is over. A guest comes back with the password kept here; anybody else has to log in.
async function comeBack(held) {
  const now = session.current();
  if (now && now.refreshToken !== held.refreshToken) return now.accessToken;
  const guest = session.guest();
  if (guest?.username === held.username) {
    try {
      return keep(held, await send("POST", "/api/auth/login", { body: guest }));
    } catch (problem) {
      if (problem.status !== 401) throw problem;
    }
  }
  session.clear();
  throw new Problem({ status: 401, code: "SESSION_OVER" });
}

/** One call as the player. A token that the server no longer takes is renewed once, and the call made again. */
export async function call(method, path, body) {
  const token = await accessToken();
  try {
    return await send(method, path, { token, body });
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    return send(method, path, { token: await accessToken(token), body });
  }
}

/** One call as nobody in particular. */
export const callOpenly = (method, path, body) => send(method, path, { body });

export async function login(username, password) {
  session.save({}, await callOpenly("POST", "/api/auth/login", { username, password }));
}

/** Makes an account. Nobody is logged in by it. */
export const createAccount = (username, password) => callOpenly("POST", "/api/auth/register", { username, password });

/** Ends the session here in any case; false if the server could not be told. */
export async function logout() {
  try {
    await call("POST", "/api/auth/logout");
    return true;
  } catch (problem) {
    return problem.status === 401;
  } finally {
    session.clear();
  }
}
