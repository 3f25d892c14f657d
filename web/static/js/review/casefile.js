// A case: who, how bad, why, drawn, and what was decided.

import { announce } from "../announcer.js";
import { byId, initial, make, seen, spoken } from "../dom.js";
import { readCase } from "./api.js";
import { showPlots } from "./plots.js";
import { counted, FAMILIES, figure, moment, rarity, rule, scope, SEVERITIES, since, standing } from "./words.js";

function fact(label, value) {
  return make("div", "", make("dt", "", label), make("dd", "", value));
}

function makeReason(reason) {
  const letter = make("span", "letter-badge", seen(make("span", "", reason.family)), spoken(`Family ${reason.family}`));
  const title = make("p", "reason-family", FAMILIES[reason.family]);
  const facts = make("dl", "reason-facts");
  if (reason.value !== null) facts.append(fact(reason.statistic ?? "value", figure(reason.value)));
  if (reason.threshold !== null) facts.append(fact("limit", figure(reason.threshold)));
  if (reason.n !== null) facts.append(fact("looked at", figure(reason.n)));
  if (reason.entries.length) facts.append(fact("rests on", counted(reason.entries.length, "completion")));
  if (rarity(reason.percentile)) facts.append(fact("how rare", rarity(reason.percentile)));
  const again = reason.lastAt === reason.createdAt ? "" : `, again until ${moment(reason.lastAt)}`;
  const foot = make("p", "reason-foot", `${rule(reason.rule)} · ${moment(reason.createdAt)}${again}`);
  const body = make("div", "reason-body", title, make("p", "reason-text", reason.reason), facts, foot);
  return make("li", `reason reason-${reason.severity}`, letter, body);
}

function makeDecision(made) {
  const verdict = make("p", "audit-what", made.decision === "clear" ? "Cleared" : "Confirmed");
  const note = make("p", "audit-note", made.note);
  note.dir = "auto";
  const by = make("bdi", "", made.decidedBy);
  const foot = make("p", "muted", "by ", by, `, ${moment(made.createdAt)}. ${scope(made)}`);
  return make("li", `audit-${made.decision}`, verdict, note, foot);
}

// The most telling first: what is said last of equals has the newest numbers.
const WEIGHT = { high: 0, medium: 1, low: 2 };
const byWeight = (one, other) => WEIGHT[one.severity] - WEIGHT[other.severity] || (one.createdAt < other.createdAt ? 1 : -1);

// What looks the same stays as it is, with the places of whoever reads it.
const isSame = (one, other) =>
  ["id", "updatedAt", "version", "accountStatus", "held"].every((name) => one[name] === other?.[name]);

const [NONE, READING, FAILED] = ["No case is open", "One moment …", "The case could not be read."];

export class CaseFile {
  #wanted = null; // The id of the case that is shown, or is to be.
  #shown = null;
  #seen = null; // The version that whoever looks at it knows of.
  #asked = 0;
  #since = 0; // Readings that began before this one come too late.

  /** `onAnswer(problem)` after each reading: null if there was none. */
  constructor({ onAnswer }) {
    this.onAnswer = onAnswer;
    byId("case-seen").addEventListener("click", () => this.#see());
  }

  /** The case that is shown, as the server told it, or null. */
  get shown() {
    return this.#shown;
  }

  /** Read a case and show it; another one is gone at once. Answers whether it was not shown before. */
  async open(id) {
    if (id !== this.#wanted) this.#leave(id, READING);
    const asked = (this.#asked += 1);
    try {
      const file = await readCase(id);
      if (asked < this.#since) return false;
      this.#since = asked;
      const came = this.#shown === null;
      if (!isSame(file, this.#shown)) this.#show(file);
      this.onAnswer(null);
      return came;
    } catch (problem) {
      if (asked >= this.#since) this.#fail(problem);
      return false;
    }
  }

  close() {
    this.#leave(null, NONE);
  }

  /** Lead to what has come in since, if anything has, and answer whether. Asked again, it counts as seen. */
  leadToNews() {
    if (this.#shown.version <= this.#seen) {
      this.#see();
      return false;
    }
    this.#seen = this.#shown.version;
    byId("case-seen").focus();
    return true;
  }

  /** A decision is no news to whoever has made it. */
  knows(decided) {
    if (this.#shown?.id === decided.id) this.#seen = decided.version + 1;
  }

  #leave(wanted, state) {
    [this.#wanted, this.#shown, this.#seen, this.#since] = [wanted, null, null, this.#asked + 1];
    byId("case").hidden = true;
    byId("case-news").hidden = true;
    byId("file-title").textContent = ""; // It names the region too.
    byId("file-empty").hidden = false;
    byId("file-state").textContent = state;
    byId("file-hint").hidden = state !== NONE;
  }

  #fail(problem) {
    if (!this.#shown) byId("file-state").textContent = FAILED;
    this.onAnswer(problem);
  }

  #see() {
    const held = document.activeElement === byId("case-seen");
    this.#seen = Math.max(this.#seen, this.#shown.version);
    byId("case-news").hidden = true;
    if (held) byId("file-title").focus({ preventScroll: true });
  }

  #showNews() {
    if (this.#shown.version <= this.#seen) return;
    byId("case-news").hidden = false;
    announce("New evidence or a decision has come in.", "case");
  }

  #show(file) {
    const fresh = this.#shown === null;
    this.#shown = file;
    this.#seen ??= file.version;
    byId("file-empty").hidden = true;
    byId("case").hidden = false;
    byId("file-title").textContent = file.username;
    byId("avatar").textContent = initial(file.username);
    byId("case-facts").textContent = `Case ${file.id}, player ${file.userId}, opened ${since(file.openedAt)}`;
    byId("case-severity").className = `pill pill-${file.severity}`;
    byId("case-severity").textContent = SEVERITIES[file.severity];
    byId("case-standing").textContent = standing(file);
    this.#showActs(file);
    this.#showReasons(file.evidence);
    showPlots(byId("plots"), file);
    byId("audit").hidden = !file.decisions.length;
    byId("decisions").replaceChildren(...file.decisions.toReversed().map(makeDecision));
    this.#showNews();
    if (fresh) byId("file").scrollTop = 0;
  }

  #showActs(file) {
    byId("clear-label").textContent = file.status === "confirmed" ? "Undo: clear" : "Clear";
    byId("clear").hidden = file.status === "cleared";
    byId("confirm-label").textContent = file.status === "confirmed" ? "Confirm otherwise" : "Confirm";
  }

  #showReasons(evidence) {
    byId("reasons-count").textContent = counted(evidence.length, "reason");
    byId("reasons").replaceChildren(...evidence.toSorted(byWeight).map(makeReason));
  }
}
