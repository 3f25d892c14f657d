// A case: who, how bad, why, drawn, and what was decided.

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

export class CaseFile {
  #shown = null;
  #asked = 0;

  constructor({ onTrouble }) {
    this.onTrouble = onTrouble;
  }

  /** The case that is shown, as the server told it, or null. */
  get shown() {
    return this.#shown;
  }

  /** Read a case and show it. Answers whether it is shown. */
  async open(id) {
    const asked = (this.#asked += 1);
    try {
      const file = await readCase(id);
      if (asked !== this.#asked) return false;
      if (!isSame(file, this.#shown)) this.#show(file);
      return true;
    } catch (problem) {
      if (asked === this.#asked) this.onTrouble(problem);
      return false;
    }
  }

  close() {
    this.#asked += 1;
    this.#shown = null;
    byId("case").hidden = true;
    byId("file-empty").hidden = false;
  }

  #show(file) {
    const fresh = this.#shown?.id !== file.id;
    this.#shown = file;
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
