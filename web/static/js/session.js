// What this browser remembers, shared by all its tabs: the session, and the guest account to come back to.

const SESSION = "fairboard.session";
const GUEST = "fairboard.guest";
const memory = new Map(); // Stands in where the browser refuses storage: the session then ends with the page.
const listeners = new Set();

function read(key) {
  let text;
  try {
    text = localStorage.getItem(key);
  } catch {
    text = memory.get(key);
  }
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function write(key, value) {
  const text = JSON.stringify(value);
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    if (value === null) memory.delete(key);
    else memory.set(key, text);
  }
}

/** The session as storage has it now, never a copy: another tab may have refreshed or ended it. */
export function current() {
  const held = read(SESSION);
  return held?.accessToken && held.refreshToken && held.userId ? held : null;
}

/** Keep what login or refresh answered. `expiresIn` becomes a time of this machine's clock. */
export function save(held, answer) {
  const { expiresIn, ...rest } = answer;
  write(SESSION, { ...held, ...rest, expiresAt: Date.now() + expiresIn * 1000 });
  tell();
}

export function clear() {
  write(SESSION, null);
  tell();
}

/** `{username, password}` of the guest account made here, or null. */
export const guest = () => read(GUEST);
export const saveGuest = (account) => write(GUEST, account);
export const forgetGuest = () => write(GUEST, null);

function tell() {
  for (const listener of listeners) listener(current());
}

/** Call `listener(session or null)` after each change, whichever tab made it. */
export function onChange(listener) {
  listeners.add(listener);
}

addEventListener("storage", (event) => {
  if (event.key === SESSION || event.key === null) tell();
});
