// The game: ask for a round, play it, prove it, hand it in, and say what came of it.

import { call } from "./api.js";
import { canProve, checksum } from "./proof.js";
import { Round, RoundEnded } from "./round.js";
import { canWait, countDown, explain, number } from "./words.js";

const ACTION = "reaction";
const LAST_CHANCE = 30_000; // Stop trying this long before the action token expires.
const byId = (id) => document.getElementById(id);

const INSECURE =
  "You can watch here, but not play: this page has to be opened over https, or at localhost. " +
  "Browsers lend the tool that signs a round to secure pages only.";
const RULES = "Hit ten targets as they appear. Click, tap, or press space or enter.";
const LOCKED = "Log in or play as a guest first.";
const ENDED = {
  slow: "That round took longer than it may, so it was not handed in.",
  "given up": "Round ended. Nothing was handed in.",
};

export class Game {
  #action = null;
  #busy = false;

  /** `onScore({score, rank})` after each round that counted. */
  constructor({ onScore }) {
    this.onScore = onScore;
    this.view = { arena: byId("arena"), target: byId("target"), count: byId("hud-count"), time: byId("hud-time") };
    byId("start").addEventListener("click", () => this.#run());
    if (!canProve()) this.#say(INSECURE);
  }

  /** The catalogue entry to play for, or null when nobody is logged in. */
  offer(actions) {
    this.#action = actions?.find((action) => action.actionType === ACTION) ?? null;
    byId("game-points").textContent = this.#action ? `${number(this.#action.points)} points` : "";
    if (!this.#busy && canProve()) this.#say(this.#action ? RULES : LOCKED);
    this.#enable();
  }

  async #run() {
    if (this.#busy) return;
    this.#busy = true;
    this.#enable();
    try {
      await this.#playOnce();
    } catch (problem) {
      await this.#refused(problem);
    } finally {
      this.#busy = false;
      this.#curtain(true);
      this.#enable();
    }
  }

  async #playOnce() {
    this.#say("Asking for a round …");
    const ticket = await call("POST", "/api/actions/request", { actionType: ACTION });
    this.#curtain(false);
    const time = await new Round(this.view, this.#action.maxMs).play();
    this.#curtain(true);
    this.#say("Handing in …");
    const proof = { completionTime: time, checksum: await checksum(ticket.actionToken, time) };
    await this.#handIn({ actionToken: ticket.actionToken, proof }, Date.parse(ticket.expiresAt) - LAST_CHANCE);
  }

  // A refusal that will pass leaves the action token unspent, so the round is not lost: wait and hand it in again.
  async #handIn(body, deadline) {
    for (let unsure = false; ; ) {
      try {
        return this.#won(await call("POST", "/api/actions/complete", body), body.proof.completionTime);
      } catch (problem) {
        if (unsure && problem.code === "TOKEN_ALREADY_USED") return this.#counted(body.proof.completionTime);
        const wait = problem.retryAfter ?? 3;
        if (!canWait(problem) || Date.now() + wait * 1000 > deadline) throw problem;
        unsure ||= problem.status === 0 || problem.status >= 500;
        await this.#wait(wait, `${explain(problem)} Your round is safe; handing it in again`);
      }
    }
  }

  #won({ newScore, scoreIncr, rank }, time) {
    this.#gain(`+${number(scoreIncr)}`);
    this.#say(`${seconds(time)}. You have ${number(newScore)} points and are number ${number(rank)}.`);
    this.onScore({ score: newScore, rank });
  }

  // The answer to an earlier try was lost on the way, but the points were not.
  async #counted(time) {
    const me = await call("GET", "/api/me");
    this.#say(`${seconds(time)}. It counted: you have ${number(me.score)} points.`);
    this.onScore(me);
  }

  async #refused(problem) {
    this.#curtain(true);
    if (problem instanceof RoundEnded) return this.#say(ENDED[problem.message]);
    if (problem.code === "RATE_LIMIT_EXCEEDED" && problem.retryAfter) {
      await this.#wait(problem.retryAfter, `${explain(problem)} You can play again`);
      return this.#say("You can play again.");
    }
    if (!problem.code) console.error(problem);
    return this.#say(problem.code ? explain(problem) : "Something went wrong on this page. Reload it and try again.");
  }

  // The sentence is read out once; the seconds tick on the button, which is not announced.
  async #wait(wait, sentence) {
    this.#say(`${sentence} in ${wait} ${wait === 1 ? "second" : "seconds"}.`);
    await countDown(wait, (left) => {
      byId("start").textContent = `${left} s`;
    });
    byId("start").textContent = "Start";
  }

  #say(text) {
    byId("game-text").textContent = text;
  }

  #gain(text) {
    const gain = byId("game-gain");
    gain.textContent = text;
    gain.hidden = false;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    gain.animate([{ transform: "scale(0.4)", opacity: 0 }, { transform: "scale(1.15)" }, { transform: "none" }], 420);
  }

  #curtain(down) {
    byId("curtain").hidden = !down;
    byId("hud").hidden = down;
    this.view.arena.dataset.state = down ? "idle" : "playing";
    if (!down) byId("game-gain").hidden = true;
  }

  #enable() {
    const start = byId("start");
    start.disabled = this.#busy || !this.#action || !canProve();
    if (!this.#busy && start.textContent === "Start" && !byId("game-gain").hidden) start.textContent = "Play again";
    if (this.#busy) start.textContent = "Start";
  }
}

const seconds = (ms) => `${(ms / 1000).toFixed(1)} seconds`;
