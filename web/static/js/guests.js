// Playing without a form: an account with a generated name and password, which this browser keeps.

import { fairboard, forgetGuest, guest, keepGuest } from "./client.js";

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

/** Log in as the guest from last time. If the server does not know it (a fresh database), a new one takes its place. */
export async function joinAsGuest() {
  const kept = guest();
  if (!kept) return joinAsNewGuest();
  try {
    return await fairboard.login(kept.username, kept.password);
  } catch (problem) {
    if (problem.code !== "INVALID_CREDENTIALS") throw problem;
    forgetGuest();
    return joinAsNewGuest();
  }
}
