// A new password, for whoever knows the old one. A guest's is known to this browser, which then keeps the new one.

import { fairboard, guest, keepGuest } from "./client.js";
import { byId } from "./dom.js";
import { explain } from "./words.js";

const isGuest = (username) => guest()?.username === username;

export class PasswordForm {
  #owner = "";

  /** `onChanged()` when the server has taken it. */
  constructor({ onChanged }) {
    Object.assign(this, { onChanged, form: byId("password-form") });
    Object.assign(this, { current: byId("password-current"), wanted: byId("password-new") });
    this.form.addEventListener("submit", (event) => this.#submit(event));
  }

  /** The closed form of a player, or of nobody. */
  show(held) {
    this.#owner = held?.username ?? "";
    byId("password-change").open = false;
    this.#say("");
    this.#empty();
  }

  #empty() {
    this.form.reset();
    byId("password-owner").value = this.#owner;
    if (isGuest(this.#owner)) this.current.value = guest().password;
  }

  async #submit(event) {
    event.preventDefault();
    if (!this.current.value) return this.#refuse("Please enter your current password.", this.current);
    if (!this.wanted.value) return this.#refuse("Please enter a new password.", this.wanted);
    byId("password-submit").disabled = true;
    this.#say("");
    try {
      await this.#change(this.#owner, this.current.value, this.wanted.value);
    } catch (problem) {
      this.#failed(problem);
    } finally {
      byId("password-submit").disabled = false;
    }
    return undefined;
  }

  async #change(username, currentPassword, newPassword) {
    const kept = isGuest(username) ? guest() : null;
    // Should the answer get lost, one of the two is right.
    if (kept) keepGuest({ username, password: newPassword, former: currentPassword });
    try {
      await fairboard.call("POST", "/api/auth/password", { currentPassword, newPassword });
    } catch (problem) {
      if (kept && problem.status >= 400 && problem.status < 500) keepGuest(kept);
      throw problem;
    }
    if (kept) keepGuest({ username, password: newPassword });
    if (username !== this.#owner) return; // Somebody else has logged in meanwhile.
    this.#empty();
    this.onChanged();
    this.#say("", "Your password is changed. You are logged out everywhere else.");
    byId("password-open").focus();
  }

  #failed(problem) {
    if (!problem.code) console.error(problem);
    const said = problem.code === "INVALID_CREDENTIALS" ? "The current password is wrong." : explain(problem);
    const later = problem.retryAfter ? ` Please try again in ${problem.retryAfter} s.` : "";
    this.#refuse(said + later, problem.errors?.newPassword ? this.wanted : this.current);
  }

  #refuse(text, field) {
    this.#say(text);
    field.focus();
  }

  #say(error, done = "") {
    byId("password-error").textContent = error;
    byId("password-done").textContent = done;
  }
}
