// The games: choose one, ask for a round, play it, hand it in, and say what came of it.

import { canProve } from "../fairboard/fairboard.js";
import { fairboard } from "./client.js";
import { byId, make, makeButton } from "./dom.js";
import { mayMove } from "./motion.js";
import { Puzzle } from "./puzzle.js";
import { Reaction } from "./reaction.js";
import { RoundEnded } from "./round.js";
import { Typing } from "./typing.js";
import { canWait, countDown, duration, explain, number, seconds } from "./words.js";

// An action token lives for five minutes. Its end is not looked up: the clock here need not be the server's.
const TRY_FOR = 270_000; // From the request of a round, which leaves half a minute for the last try.
const GAMES = {
  reaction: {
    Round: Reaction,
    title: "Reaction targets",
    rules: "Hit ten targets as they appear. Click, tap, or press space or enter.",
    hint: "Not too soon: striking at an empty field makes the next target wait.",
  },
  typing: {
    Round: Typing,
    title: "Typing sprint",
    rules: "Type one sentence as it stands. Mistakes may be mended, and cost only time.",
    hint: "The clock runs as soon as you see the sentence. Pasting does not work.",
  },
  puzzle: {
    Round: Puzzle,
    title: "Sliding puzzle",
    rules: "Slide the tiles into order, 1 to 8. Click or tap a tile beside the gap, or press the arrow keys.",
    hint: "Every puzzle can be solved. Most take less than a minute.",
  },
};
const LOCKED = "Log in or play as a guest, and play for points.";
const ENDED = {
  slow: "That round took longer than it may, so it was not handed in.",
  "given up": "Round ended. Nothing was handed in.",
  left: LOCKED,
};

export class Arcade {
  #actions = null;
  #chosen = "reaction";
  #busy = false;
  #round = null;
  #stay = new AbortController(); // Until this player leaves.

  /** `onScore({score, rank}, points, from)` after each round that counted; `from` is where the points are shown. */
  constructor({ onScore }) {
    this.onScore = onScore;
    this.view = { stage: byId("stage"), count: byId("hud-count"), time: byId("hud-time") };
    byId("start").addEventListener("click", () => this.#run());
    byId("give-up").addEventListener("click", () => this.#round?.giveUp());
    this.offer(null);
  }

  /** The catalogue, or null when nobody is logged in. */
  offer(actions) {
    if (!actions) this.#stay.abort();
    this.#actions = actions && new Map(actions.map((action) => [action.actionType, action]));
    const offered = Object.keys(GAMES).filter((name) => !actions || this.#actions.has(name));
    if (offered.length && !offered.includes(this.#chosen)) [this.#chosen] = offered;
    byId("games").replaceChildren(...offered.map((name) => this.#makeChoice(name)));
    if (!this.#busy) this.#choose(this.#chosen);
  }

  #makeChoice(name) {
    const action = this.#actions?.get(name);
    const title = make("span", "choice-title", action?.title ?? GAMES[name].title);
    const button = makeButton("choice", title);
    if (action) button.append(make("span", "choice-points", `${number(action.points)} points`));
    button.dataset.game = name;
    button.addEventListener("click", () => this.#choose(name));
    return button;
  }

  #choose(name) {
    if (this.#busy) return;
    this.#chosen = name;
    for (const button of byId("games").children) {
      button.setAttribute("aria-pressed", String(button.dataset.game === name));
    }
    byId("arena").dataset.game = name;
    byId("game-hint").textContent = GAMES[name].hint;
    byId("game-gain").hidden = true;
    const open = this.#actions?.has(name);
    this.#say(canProve() ? (open ? GAMES[name].rules : LOCKED) : explain({ code: "NO_WEB_CRYPTO" }));
    this.#enable("Start");
  }

  async #run() {
    if (this.#busy) return;
    const { signal } = (this.#stay = new AbortController());
    this.#setBusy(true);
    try {
      await this.#playOnce(this.#actions.get(this.#chosen));
      this.#enable("Play again");
    } catch (problem) {
      await this.#refused(problem);
      this.#enable("Start");
    } finally {
      this.#setBusy(false);
    }
    if (signal.aborted) this.#choose(this.#chosen); // What is offered now is somebody else's.
    if (byId("arena").contains(document.activeElement) || document.activeElement === document.body) {
      byId("start").focus({ preventScroll: true });
    }
  }

  async #playOnce(action) {
    this.#say("Asking for a round …");
    const asked = Date.now();
    const ticket = await fairboard.requestAction(action.actionType);
    this.#round = new GAMES[action.actionType].Round(this.view, action.maxMs);
    this.#curtain(false);
    const { time, data } = await this.#round.play();
    this.#curtain(true);
    if (time < action.minMs) throw new RoundEnded("fast");
    this.#say("Handing in …");
    await this.#handIn(ticket, time, data, asked + TRY_FOR);
  }

  // A refusal that will pass leaves the action token unspent, so the round is not lost: wait and hand it in again.
  async #handIn(ticket, time, data, deadline) {
    for (let unsure = false; ; ) {
      try {
        return this.#won(await fairboard.complete(ticket, time, data), time);
      } catch (problem) {
        if (unsure && problem.code === "TOKEN_ALREADY_USED") return this.#counted(time);
        const wait = problem.retryAfter ?? 3;
        if (!canWait(problem) || Date.now() + wait * 1000 > deadline) throw problem;
        unsure ||= problem.status === 0 || problem.status >= 500;
        if (!(await this.#wait(wait, `${explain(problem)} Your round is safe; handing it in again`))) {
          throw new RoundEnded("left");
        }
      }
    }
  }

  #won({ newScore, scoreIncr, rank }, time) {
    this.#gain(`+${number(scoreIncr)}`);
    this.#say(`${seconds(time)}. You have ${number(newScore)} points and are number ${number(rank)}.`);
    this.onScore({ score: newScore, rank }, scoreIncr, byId("game-gain"));
  }

  // The answer to an earlier try was lost on the way, but the points were not.
  async #counted(time) {
    const me = await fairboard.me();
    this.#say(`${seconds(time)}. It counted: you have ${number(me.score)} points.`);
    this.onScore(me, 0, null);
  }

  async #refused(problem) {
    this.#curtain(true);
    if (problem instanceof RoundEnded) return this.#say(ENDED[problem.message] ?? this.#tooFast());
    if (problem.code === "RATE_LIMIT_EXCEEDED" && problem.retryAfter) {
      const waited = await this.#wait(problem.retryAfter, `${explain(problem)} You can play again`);
      return this.#say(waited ? "You can play again." : LOCKED);
    }
    if (!problem.code) console.error(problem);
    return this.#say(problem.code ? explain(problem) : "Something went wrong on this page. Reload it and try again.");
  }

  #tooFast() {
    const least = this.#actions?.get(this.#chosen)?.minMs ?? 0;
    return `Too fast: nobody is done here in less than ${seconds(least)}. The round was not handed in.`;
  }

  // The sentence is read out once; the seconds tick on the button, which is not announced. False if the player left.
  async #wait(wait, sentence) {
    const { signal } = this.#stay;
    this.#say(`${sentence} in ${duration(wait)}.`);
    const tick = (left) => {
      byId("start").textContent = `${left} s`;
    };
    await countDown(wait, tick, signal);
    byId("start").textContent = "Start";
    return !signal.aborted;
  }

  #say(text) {
    byId("game-text").textContent = text;
  }

  #gain(text) {
    const gain = byId("game-gain");
    gain.textContent = text;
    gain.hidden = false;
    if (!mayMove()) return;
    gain.animate([{ transform: "scale(0.4)", opacity: 0 }, { transform: "scale(1.15)" }, { transform: "none" }], 420);
  }

  #curtain(down) {
    byId("curtain").hidden = !down;
    byId("hud").hidden = down;
    byId("arena").dataset.state = down ? "idle" : "playing";
    if (!down) byId("game-gain").hidden = true;
  }

  #setBusy(busy) {
    this.#busy = busy;
    for (const button of byId("games").children) button.disabled = busy;
    if (!busy) this.#round = null;
    this.#enable(byId("start").textContent);
  }

  #enable(label) {
    byId("start").hidden = !this.#actions;
    byId("start").disabled = this.#busy || !this.#actions?.has(this.#chosen) || !canProve();
    byId("start").textContent = label;
  }
}
