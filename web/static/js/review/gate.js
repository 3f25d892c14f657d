// Who may look: the page is empty until the server has said that this is an analyst.

import { fairboard } from "../client.js";
import { byId } from "../dom.js";
import { explain } from "../words.js";

const INTRODUCTION = "For analysts: who was flagged, why, and what to do about it.";

export class Gate {
  #entered = false; // By its form, and not by a session that was there.

  constructor() {
    byId("login").addEventListener("submit", (event) => this.#submit(event));
    byId("other").addEventListener("click", () => fairboard.logout());
    byId("logout").addEventListener("click", () => fairboard.logout());
  }

  /** Nobody is logged in. */
  askForLogin(over = false) {
    this.#shut(INTRODUCTION);
    byId("login").hidden = false;
    byId("login-error").textContent = over ? explain({ code: "SESSION_OVER" }) : "";
  }

  /** The server does not let this account look. */
  refuse(username) {
    this.#shut(`${username} is not an analyst. This page has nothing for players.`);
    byId("other").hidden = false;
  }

  /** Nothing could be found out. */
  fail(problem) {
    this.#shut(explain(problem));
  }

  wait() {
    this.#shut("One moment …");
  }

  /** Answers whether somebody has just logged in here, whose focus was in a form that is gone. */
  open(username) {
    const entered = this.#entered;
    this.#entered = false;
    byId("gate").hidden = true;
    byId("desk").hidden = false;
    byId("bar-side").hidden = false;
    byId("who").textContent = username;
    return entered;
  }

  #shut(text) {
    for (const id of ["desk", "bar-side", "login", "other"]) byId(id).hidden = true;
    byId("gate").hidden = false;
    byId("gate-text").textContent = text;
    byId("login-error").textContent = "";
  }

  async #submit(event) {
    event.preventDefault();
    const [username, password] = [byId("username"), byId("password")];
    if (!username.value) return this.#refuse("Please enter a name.", username);
    if (!password.value) return this.#refuse("Please enter a password.", password);
    this.#entered = true;
    byId("login-submit").disabled = true;
    try {
      await fairboard.login(username.value, password.value);
      byId("login").reset();
    } catch (problem) {
      this.#entered = false;
      this.#refuse(explain(problem), password);
    } finally {
      byId("login-submit").disabled = false;
    }
    return undefined;
  }

  #refuse(text, field) {
    byId("login-error").textContent = text;
    field.focus();
  }
}
