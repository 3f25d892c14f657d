// The account panel: log in, register, play as a guest, change the password, log out.

import { fairboard, forgetGuest, guest } from "./client.js";
import { byId, initial } from "./dom.js";
import { joinAsGuest } from "./guests.js";
import { PasswordForm } from "./password.js";
import { countDown, explain } from "./words.js";

let unsure = ""; // A name that this page may have registered, though no answer came or the login failed.

async function register(username, password) {
  let taken = null;
  try {
    await fairboard.register(username, password);
  } catch (problem) {
    if (problem.status === 0 || problem.status >= 500) unsure = username;
    if (problem.code !== "USERNAME_TAKEN" || unsure !== username) throw problem;
    taken = problem;
  }
  unsure = username;
  await fairboard.login(username, password).catch((problem) => {
    throw taken && problem.code === "INVALID_CREDENTIALS" ? taken : problem;
  });
}

export class Account {
  #registering = false;
  #password = new PasswordForm({ onChanged: () => this.#showKept(fairboard.session) });

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
    byId("account-name").title = held?.username ?? "";
    byId("review-link").hidden = !["analyst", "admin"].includes(held?.role);
    byId("avatar").textContent = initial(held?.username ?? "");
    this.#showKept(held);
    this.#showGuest(guest());
    this.#password.show(held);
    if (held) this.say("");
  }

  say(text) {
    byId("account-error").textContent = text;
  }

  // What a guest needs elsewhere.
  #showKept(held) {
    const kept = guest();
    byId("guest-keep").hidden = !held || kept?.username !== held.username;
    byId("guest-password").textContent = kept?.password ?? "";
  }

  #showGuest(kept) {
    byId("guest").textContent = kept ? `Continue as ${kept.username}` : "Play as a guest";
    byId("guest-hint").textContent = kept
      ? "Your guest account from last time."
      : "No form to fill in: you get a name and can start at once.";
    byId("guest-forget").hidden = !kept;
  }

  #forgetGuest() {
    forgetGuest();
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
    const join = this.#registering ? register : (...account) => fairboard.login(...account);
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
    if (problem.code === "GUEST_REFUSED") byId("username").value = guest().username;
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
    const told = await fairboard.logout();
    byId("logout").disabled = false;
    if (!told) this.say("You are logged out here, but the server could not be told.");
    byId("guest").focus({ preventScroll: true });
  }

  #disable(disabled) {
    for (const id of ["guest", "account-submit", "mode"]) byId(id).disabled = disabled;
  }
}
