// The account panel: log in, register, play as a guest, log out.

import { createAccount, login, logout } from "./api.js";
import * as session from "./session.js";
import { countDown, explain, number } from "./words.js";

const ANIMALS = "otter heron lynx badger falcon marten beaver stoat raven ibex seal finch hare newt wren".split(" ");
const STATUS = {
  flagged: "Your account is under review. You can keep playing.",
  suspended: "Your account is suspended. It cannot earn points.",
};
const byId = (id) => document.getElementById(id);

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
      await createAccount(account.username, account.password);
    } catch (problem) {
      if (problem.code !== "USERNAME_TAKEN" || digits > 7) throw problem;
      continue;
    }
    session.saveGuest(account); // Before the login: should that fail, the account is not lost.
    return login(account.username, account.password);
  }
}

// Kept from last time. If the server does not know it (a fresh database), a new one takes its place.
async function joinAsGuest() {
  const kept = session.guest();
  if (!kept) return joinAsNewGuest();
  try {
    return await login(kept.username, kept.password);
  } catch (problem) {
    if (problem.code !== "INVALID_CREDENTIALS") throw problem;
    session.forgetGuest();
    return joinAsNewGuest();
  }
}

async function register(username, password) {
  await createAccount(username, password);
  await login(username, password);
}

export class Account {
  #registering = false;

  constructor() {
    byId("guest").addEventListener("click", () => this.#attempt(joinAsGuest));
    byId("guest-forget").addEventListener("click", () => this.#forgetGuest());
    byId("mode").addEventListener("click", () => this.#setMode(!this.#registering));
    byId("account-form").addEventListener("submit", (event) => this.#submit(event));
    byId("logout").addEventListener("click", () => this.#leave());
  }

  /** Show the panel of a player, or of nobody. */
  show(held) {
    byId("signed-in").hidden = !held;
    byId("signed-out").hidden = Boolean(held);
    byId("account-name").textContent = held?.username ?? "";
    const guest = session.guest();
    byId("guest-keep").hidden = !held || guest?.username !== held.username;
    byId("guest-password").textContent = guest?.password ?? "";
    this.#showGuest(guest);
    if (held) this.say("");
  }

  /** `me` as from `/api/me`, or null while it is unknown. */
  showMe(me) {
    byId("my-score").textContent = me ? number(me.score) : "–";
    byId("my-rank").textContent = me?.rank ? `#${number(me.rank)}` : "–";
    byId("my-status").textContent = STATUS[me?.status] ?? "";
    byId("my-status").hidden = !STATUS[me?.status];
  }

  say(text) {
    byId("account-error").textContent = text;
  }

  #showGuest(guest) {
    byId("guest").textContent = guest ? `Continue as ${guest.username}` : "Play as a guest";
    byId("guest-hint").textContent = guest
      ? "Your guest account from last time."
      : "No form to fill in: you get a name and can start at once.";
    byId("guest-forget").hidden = !guest;
  }

  #forgetGuest() {
    session.forgetGuest();
    this.#showGuest(null);
    byId("guest").focus();
  }

  #setMode(registering) {
    this.#registering = registering;
    byId("password-hint").hidden = !registering;
    byId("password").autocomplete = registering ? "new-password" : "current-password";
    byId("account-submit").textContent = registering ? "Create account" : "Log in";
    byId("mode-question").textContent = registering ? "Have an account?" : "New here?";
    byId("mode").textContent = registering ? "Log in" : "Create an account";
    this.say("");
  }

  async #submit(event) {
    event.preventDefault();
    const [username, password] = [byId("username"), byId("password")];
    const missing = [username, password].find((input) => !input.value);
    if (missing) {
      this.say(missing === username ? "Please enter a player name." : "Please enter a password.");
      missing.focus();
      return;
    }
    const join = this.#registering ? register : login;
    if (await this.#attempt(() => join(username.value, password.value))) byId("account-form").reset();
  }

  async #attempt(join) {
    this.#disable(true);
    this.say("");
    try {
      await join();
      byId("play").focus({ preventScroll: true });
      return true;
    } catch (problem) {
      await this.#refused(problem);
      return false;
    } finally {
      this.#disable(false);
    }
  }

  async #refused(problem) {
    this.say(explain(problem));
    if (!problem.code) console.error(problem);
    if (!problem.retryAfter) return;
    const button = byId("account-submit");
    const label = button.textContent;
    this.say(`${explain(problem)} Please try again in ${problem.retryAfter} s.`);
    await countDown(problem.retryAfter, (left) => {
      button.textContent = `${label} in ${left} s`;
    });
    button.textContent = label;
    this.say("");
  }

  async #leave() {
    byId("logout").disabled = true;
    const told = await logout();
    byId("logout").disabled = false;
    if (!told) this.say("You are logged out here, but the server could not be told.");
    byId("guest").focus({ preventScroll: true });
  }

  #disable(disabled) {
    for (const id of ["guest", "account-submit", "mode"]) byId(id).disabled = disabled;
  }
}
