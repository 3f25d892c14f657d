// The queue: which cases there are, the worst first, and which of them is looked at.

import { byId, make, makeButton } from "../dom.js";
import { number } from "../words.js";
import { listCases } from "./api.js";
import { counted, rule, SEVERITIES, since } from "./words.js";

const TABS = { open: "Open", confirmed: "Confirmed", cleared: "Cleared" };
const EMPTY = {
  open: "Nothing waits. New cases appear here by themselves.",
  confirmed: "No case is confirmed.",
  cleared: "No case is cleared.",
};
const SHOWN_RULES = 3;

function makeRow(found) {
  const rules = found.rules.slice(0, SHOWN_RULES).map(rule).join(", ");
  const others = found.rules.length - SHOWN_RULES;
  const name = make("span", "case-row-name", found.username);
  name.dir = "auto";
  const state = found.held ? make("span", "tag", "held") : "";
  const facts = `${counted(found.reasons, "reason")}, ${since(found.updatedAt)}`;
  const row = makeButton(
    "case-row",
    make("span", `pill pill-${found.severity}`, SEVERITIES[found.severity]),
    make("span", "case-row-top", name, state),
    make("span", "case-row-rules", others > 0 ? `${rules} and ${others} more` : rules),
    make("span", "case-row-facts", facts),
  );
  row.dataset.case = found.id;
  return row;
}

export class Queue {
  #chosen = { status: "open", severity: null };
  #cases = [];
  #next = null;
  #wanted = 0; // So many cases, if there are: only who reads on changes that, or who chooses others.
  #isRead = false;
  #counts = null;
  #open = null; // The id of the case that is shown.
  #asked = 0;
  #since = 0; // Readings that began before this one come too late.

  /** `onOpen(id)` when a case is chosen, `onAnswer(problem)` after each reading: null if there was none. */
  constructor({ onOpen, onAnswer }) {
    Object.assign(this, { onOpen, onAnswer });
    byId("more").addEventListener("click", () => this.#more());
    this.#makeTabs();
    this.#showFilters();
  }

  /** Read anew what is shown. It stays until all of it has come. */
  async reload() {
    const asked = (this.#asked += 1);
    try {
      const { cases, next } = await this.#read();
      if (asked < this.#since) return;
      [this.#cases, this.#next, this.#isRead, this.#since] = [cases, next, true, asked];
      this.#show();
      this.onAnswer(null);
    } catch (problem) {
      if (asked >= this.#since) this.onAnswer(problem);
    }
  }

  clear() {
    this.#counts = null;
    this.#empty();
  }

  /** How many open cases there are of each severity. */
  count(counts) {
    this.#counts = counts;
    this.#showFilters();
  }

  /** Mark the case that is shown, or none. */
  mark(id) {
    this.#open = id;
    for (const row of this.#rows()) row.setAttribute("aria-current", String(row.dataset.case === String(id)));
  }

  /** Move the focus by so many rows. */
  move(step) {
    const rows = this.#rows();
    const held = rows.indexOf(document.activeElement);
    const from = held >= 0 ? held : rows.findIndex((row) => row.dataset.case === String(this.#open));
    const to = from < 0 ? 0 : Math.min(Math.max(from + step, 0), rows.length - 1);
    rows[to]?.focus();
  }

  /** Give the focus back to the row of the case that was shown. */
  focus() {
    const row = this.#rows().find((one) => one.dataset.case === String(this.#open)) ?? this.#rows()[0];
    (row ?? byId("tabs").firstElementChild).focus();
  }

  #rows() {
    return [...byId("cases").querySelectorAll(".case-row")];
  }

  // As many pages as it takes, and where the next one begins.
  async #read() {
    const [chosen, found] = [this.#chosen, new Map()];
    let cursor = null;
    do {
      const page = await listCases({ ...chosen, cursor });
      for (const one of page.cases) found.set(one.id, one);
      cursor = page.next;
    } while (cursor !== null && found.size < this.#wanted);
    return { cases: [...found.values()], next: cursor };
  }

  #more() {
    this.#wanted = this.#cases.length + 1;
    this.reload();
  }

  // Nothing that was read is shown any more, and nothing that is on its way.
  #empty() {
    this.#since = this.#asked + 1;
    [this.#cases, this.#next, this.#wanted, this.#isRead] = [[], null, 0, false];
    this.#show();
  }

  #show() {
    const focused = document.activeElement?.dataset?.case;
    const rows = this.#cases.map((found) => {
      const row = makeRow(found);
      row.addEventListener("click", () => this.onOpen(found.id));
      return make("li", "", row);
    });
    byId("cases").replaceChildren(...rows);
    this.mark(this.#open);
    if (focused) this.#rows().find((row) => row.dataset.case === focused)?.focus({ preventScroll: true });
    byId("nothing").hidden = rows.length > 0 || !this.#isRead;
    byId("nothing").textContent = this.#chosen.severity ? "No such case." : EMPTY[this.#chosen.status];
    byId("more").hidden = this.#next === null;
  }

  #makeTabs() {
    const tabs = Object.entries(TABS).map(([status, title]) => {
      const tab = makeButton("choice", make("span", "choice-title", title));
      tab.addEventListener("click", () => this.#choose({ status, severity: null }));
      tab.dataset.status = status;
      return tab;
    });
    byId("tabs").replaceChildren(...tabs);
    this.#press();
  }

  // The same buttons stay, so that a count that changes takes the focus from nobody.
  #showFilters() {
    const filters = byId("filters");
    if (!filters.children.length) {
      for (const severity of [null, ...Object.keys(SEVERITIES)]) filters.append(this.#makeFilter(severity));
    }
    for (const button of filters.children) {
      const severity = button.dataset.severity;
      const counts = this.#chosen.status === "open" ? this.#counts : null;
      const count = counts && (severity ? counts[severity] : counts.high + counts.medium + counts.low);
      button.lastChild.textContent = count === null ? "" : number(count);
    }
    this.#press();
  }

  #makeFilter(severity) {
    const button = makeButton("filter", severity ? SEVERITIES[severity] : "All", make("span", "filter-count"));
    if (severity) button.dataset.severity = severity;
    button.addEventListener("click", () => this.#choose({ ...this.#chosen, severity }));
    return button;
  }

  #choose(chosen) {
    this.#chosen = chosen;
    this.#empty();
    this.#showFilters();
    this.reload();
  }

  #press() {
    const press = (button, on) => button.setAttribute("aria-pressed", String(on));
    for (const tab of byId("tabs").children) press(tab, tab.dataset.status === this.#chosen.status);
    for (const one of byId("filters").children) press(one, (one.dataset.severity ?? null) === this.#chosen.severity);
  }
}
