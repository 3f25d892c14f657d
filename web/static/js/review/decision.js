// Deciding: what is taken, what that would mean, and why. Nothing is sent before a reason is given.

import { byId, make } from "../dom.js";
import { explain, number } from "../words.js";
import { decide, preview } from "./api.js";
import { counted } from "./words.js";

const WORDS = {
  confirm: {
    title: (name) => `${name} cheated`,
    text: "The account is suspended and logged out, and leaves the board.",
    label: "Confirm and suspend",
  },
  clear: {
    title: (name) => `${name} played fair`,
    text: "The player is back on the board at once, with every point that the review took. The detectors begin anew.",
    label: "Clear",
  },
};
const PAUSE = 250; // While times are typed.

const rank = (place) => (place === null ? "off the board" : `#${number(place)}`);
const change = (before, after) => (before === after ? before : `${before} → ${after}`);

// What a field says, or "" while that is no time.
function timeIn(id) {
  const time = new Date(byId(id).value);
  return Number.isNaN(time.getTime()) ? "" : time.toISOString();
}

function makeMove(move) {
  const name = make("th", "", move.username);
  name.scope = "row";
  name.dir = "auto";
  const score = change(number(move.scoreBefore), number(move.scoreAfter));
  return make("tr", "", name, make("td", "", score), make("td", "", change(rank(move.rankBefore), rank(move.rankAfter))));
}

function told({ entries, points }) {
  if (!entries) return "No points change.";
  const what = `${counted(entries, "entry", "entries")} ${entries === 1 ? "is" : "are"} reversed`;
  return points < 0 ? `${what}: ${counted(-points, "point")} less.` : `${what}: ${counted(points, "point")} back.`;
}

export class Decision {
  #file = null;
  #verdict = "clear";
  #asked = 0;
  #waiting = null;

  /** `onDecided(file, verdict)` when the server has taken it; `onStale()` when somebody was faster; `onClosed()`. */
  constructor({ onDecided, onStale, onClosed }) {
    Object.assign(this, { onDecided, onStale, dialog: byId("decide"), form: byId("decide-form") });
    this.dialog.addEventListener("close", () => onClosed());
    byId("decide-cancel").addEventListener("click", () => this.dialog.close());
    this.form.addEventListener("submit", (event) => this.#submit(event));
    this.form.addEventListener("change", () => this.#foretell());
    for (const id of ["since", "until"]) byId(id).addEventListener("input", () => this.#foretellLater());
    this.dialog.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit();
    });
  }

  get isOpen() {
    return this.dialog.open;
  }

  /** Ask about a case. */
  ask(file, verdict) {
    [this.#file, this.#verdict] = [file, verdict];
    const words = WORDS[verdict];
    this.form.reset();
    byId("decide-title").textContent = words.title(file.username);
    byId("decide-text").textContent = words.text;
    byId("decide-label").textContent = words.label;
    byId("decide-submit").className = verdict === "confirm" ? "grave" : "primary";
    byId("decide-submit").disabled = false;
    byId("scopes").hidden = verdict === "clear";
    this.#say("");
    this.#showMoves("One moment …", []); // And not what the case before would have meant.
    this.#foretell();
    this.dialog.showModal();
    (verdict === "clear" ? byId("note") : this.form.elements.scope[0]).focus();
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  // Null while the times say nothing yet.
  get #ruling() {
    if (this.#verdict === "clear") return { decision: "clear" };
    const scope = this.form.elements.scope.value;
    if (scope !== "span") return { decision: "confirm", reverse: scope };
    const [since, until] = ["since", "until"].map(timeIn);
    if (!since && !until) return null;
    return { decision: "confirm", reverse: { ...(since && { since }), ...(until && { until }) } };
  }

  #foretellLater() {
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => this.#foretell(), PAUSE);
  }

  async #foretell() {
    clearTimeout(this.#waiting);
    byId("span").hidden = this.form.elements.scope.value !== "span";
    const asked = (this.#asked += 1);
    const ruling = this.#ruling;
    if (!ruling) return this.#showMoves("Say from when, or until when.", []);
    try {
      const found = await preview(this.#file.id, ruling);
      if (asked === this.#asked) this.#showMoves(told(found), found.moves);
    } catch (problem) {
      if (asked === this.#asked) this.#showMoves(problem.detail || explain(problem), []);
    }
    return undefined;
  }

  #showMoves(text, moves) {
    byId("foretold-text").textContent = text;
    byId("moves").hidden = !moves.length;
    byId("moves-body").replaceChildren(...moves.map(makeMove));
  }

  async #submit(event) {
    event.preventDefault();
    const note = byId("note").value.trim();
    const ruling = this.#ruling;
    if (!ruling) return this.#refuse("Say from when, or until when.", byId("since"));
    if (!note) return this.#refuse("Say why: whoever looks at this later has to understand it.", byId("note"));
    byId("decide-submit").disabled = true;
    this.#say("");
    try {
      await decide(this.#file.id, { ...ruling, note, expected: this.#file.version });
      this.dialog.close();
      this.onDecided(this.#file, this.#verdict);
    } catch (problem) {
      this.#failed(problem);
    } finally {
      byId("decide-submit").disabled = false;
    }
    return undefined;
  }

  #failed(problem) {
    this.#say(problem.code === "FORBIDDEN" ? problem.detail : explain(problem));
    if (problem.code === "CASE_CHANGED") this.onStale();
  }

  #refuse(text, field) {
    this.#say(text);
    field.focus();
  }

  #say(text) {
    byId("decide-error").textContent = text;
  }
}
