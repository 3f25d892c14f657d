// The top 10. Rows keep their element for as long as a player stays, so that they can glide to their new place.

import { number } from "./words.js";

const PLACES = 10;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const byId = (id) => document.getElementById(id);

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function makeRow() {
  const row = element("li", "row");
  const name = element("span", "name");
  const text = element("span", "name-text");
  text.dir = "auto";
  name.append(text, element("span", "you", "you"));
  row.append(element("span", "rank"), name, element("span", "score"));
  return row;
}

function makeVacancy(rank) {
  const row = element("li", "row vacant");
  row.setAttribute("aria-hidden", "true");
  row.append(element("span", "rank", String(rank)), element("span", "name", "–"), element("span", "score"));
  return row;
}

function fill(row, entry, leader, mine) {
  const [rank, name, score] = row.children;
  row.dataset.rank = entry.rank;
  row.classList.toggle("mine", mine);
  row.style.setProperty("--share", leader > 0 ? Math.max(0, entry.score / leader) : 0);
  rank.textContent = entry.rank;
  name.firstChild.textContent = entry.username;
  name.firstChild.title = entry.username;
  name.lastChild.hidden = !mine;
  score.textContent = number(entry.score);
}

const quick = { duration: 520, easing: "cubic-bezier(0.22, 1, 0.36, 1)" };

function glide(row, distance) {
  if (Math.abs(distance) < 1) return;
  row.style.zIndex = distance > 0 ? 1 : 0; // Who climbs passes in front.
  row.animate([{ transform: `translateY(${distance}px)` }, { transform: "none" }], quick);
}

function appear(row) {
  row.animate([{ opacity: 0, transform: "translateY(1rem)" }, { opacity: 1, transform: "none" }], quick);
}

// Moves only what is out of place: an element that is put back where it was would lose its transition.
function arrange(list, wanted) {
  wanted.forEach((row, index) => {
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
  while (list.children.length > wanted.length) list.lastChild.remove();
}

export class Board {
  #rows = new Map(); // userId -> row
  #entries = [];
  #me = null;
  #hint = "";

  constructor() {
    this.list = byId("rows");
    this.#redraw();
  }

  /** Show a board as the server sent it. */
  show(board) {
    const before = this.#places();
    this.#entries = board.leaderboard.slice(0, PLACES);
    this.#hint = "";
    this.#redraw();
    if (!still.matches && !document.hidden) this.#move(before);
    this.#showChange(board.updatedAt);
  }

  /** Who is looking: `{userId, username, score, rank}` or null. */
  setMe(me) {
    this.#me = me;
    this.#redraw();
  }

  /** No board to show, and why. */
  clear(hint) {
    this.#entries = [];
    this.#rows.clear();
    this.#hint = hint;
    byId("changed").hidden = true;
    this.#redraw();
  }

  /** The player's own entry, if it is among those shown. */
  entryOf(userId) {
    return this.#entries.find((entry) => String(entry.userId) === String(userId)) ?? null;
  }

  #places() {
    return new Map([...this.#rows].map(([userId, row]) => [userId, row.getBoundingClientRect().top]));
  }

  #redraw() {
    const rows = new Map();
    const own = this.entryOf(this.#me?.userId);
    for (const entry of this.#entries) {
      const row = this.#rows.get(entry.userId) ?? makeRow();
      fill(row, entry, this.#entries[0].score, entry === own);
      rows.set(entry.userId, row);
    }
    this.#rows = rows;
    const vacancies = Array.from({ length: PLACES - rows.size }, (_, index) => makeVacancy(rows.size + index + 1));
    arrange(this.list, [...rows.values(), ...vacancies]);
    this.#showHint();
    this.#showOwn();
  }

  #move(before) {
    for (const row of this.#rows.values()) row.getAnimations().forEach((animation) => animation.cancel());
    const after = this.#places();
    for (const [userId, row] of this.#rows) {
      if (before.has(userId)) glide(row, before.get(userId) - after.get(userId));
      else appear(row);
    }
  }

  #showHint() {
    const note = byId("board-empty");
    note.textContent = this.#hint;
    note.hidden = !this.#hint;
    this.list.parentElement.toggleAttribute("data-empty", Boolean(this.#hint));
  }

  #showOwn() {
    const me = this.#me;
    const below = Boolean(me?.rank && this.#entries.length && !this.entryOf(me.userId));
    byId("own").hidden = !below;
    if (!below) return;
    byId("own-rank").textContent = number(me.rank);
    byId("own-name").textContent = me.username;
    byId("own-score").textContent = number(me.score);
  }

  #showChange(updatedAt) {
    const when = new Date(updatedAt);
    byId("changed").hidden = Number.isNaN(when.getTime());
    if (Number.isNaN(when.getTime())) return;
    const time = byId("changed-at");
    time.dateTime = when.toISOString();
    time.textContent = when.toLocaleTimeString([], { timeStyle: "medium" });
    time.title = when.toLocaleString();
  }
}
