// Playing without a form: an account with a generated name and password, which this browser keeps.

import { fairboard, guest, keepGuest } from "./client.js";

const ANIMALS = "otter heron lynx badger falcon marten beaver stoat raven ibex seal finch hare newt wren".split(" ");

function randomNumber(below) {
  return crypto.getRandomValues(new Uint32Array(1))[0] % below;
}

function randomPassword() {
  const bytes = crypto.getRandomValues(new Uint8Array(18));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

function newGuest(digits) {
  const figure = String(randomNumber(10 ** digits)).padStart(digits, "0");
  return { username: `guest-${ANIMALS[randomNumber(ANIMALS.length)]}-${figure}`, password: randomPassword() };
}

async function joinAsNewGuest() {
  for (let digits = 4; ; digits += 1) {
    const account = newGuest(digits);
    try {
      await fairboard.register(account.username, account.password);
    } catch (problem) {
      if (problem.code !== "USERNAME_TAKEN" || digits > 7) throw problem;
      continue;
    }
    keepGuest(account); // Before the login: should that fail, the account is not lost.
    return fairboard.login(account.username, account.password);
  }
}

/**
 * Log in as the guest from last time. One that is refused was given another password elsewhere, or the server's database
 * is a fresh one; which it is, and whether to forget the account, only the player knows: GUEST_REFUSED.
 */
export async function joinAsGuest() {
  const kept = guest();
  if (!kept) return joinAsNewGuest();
  try {
    return await logInAs(kept);
  } catch (problem) {
    if (problem.code === "INVALID_CREDENTIALS") problem.code = "GUEST_REFUSED";
    throw problem;
  }
}

// `former` is there while nobody knows whether a new password was taken: its answer was lost.
async function logInAs({ username, password, former }) {
  try {
    return await fairboard.login(username, password);
  } catch (problem) {
    if (!former || problem.code !== "INVALID_CREDENTIALS") throw problem;
    const held = await fairboard.login(username, former);
    keepGuest({ username, password: former });
    return held;
  }
}
