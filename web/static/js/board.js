// The top 10. A player keeps the same row for as long as they stay, so that it can glide to its new place.

import { byId } from "./dom.js";
import { appear, glide, leave, mayMove, offsetOf } from "./motion.js";
import { Row, makeVacancy } from "./row.js";

const PLACES = 10;

// Where the browser can, rows are moved with their transitions running.
function putBefore(list, element, next) {
  if (list.moveBefore && element.parentNode === list) list.moveBefore(element, next);
  else list.insertBefore(element, next);
}

export class Board {
  #rows = new Map(); // userId -> Row
  #vacancies = Array.from({ length: PLACES }, (_, index) => makeVacancy(index + 1));
  #own = new Row();
  #entries = [];
  #me = null;
  #drawing = false;

  constructor() {
    this.list = byId("rows");
    byId("own-row").append(this.#own.element);
    document.addEventListener("visibilitychange", () => this.#draw());
    this.clear("loading", "", "");
  }

  /** Show a board as the server sent it. Several in one moment are drawn once. */
  show(board) {
    this.#entries = board.leaderboard.slice(0, PLACES);
    if (this.#entries.length) this.#explain("filled", "", "");
    else this.#explain("empty", "Nobody has points yet", "The first to play is number one.");
    this.#showChange(board.updatedAt);
    this.#draw();
  }

  /** Who is looking: `{userId, username, score, rank}` or null. */
  setMe(me) {
    this.#me = me;
    this.#draw();
  }

  /** No board to show: `loading` or `locked`, and why. */
  clear(state, title, text) {
    this.#entries = [];
    this.#explain(state, title, text);
    this.#showChange(null);
    this.#redraw();
  }

  /** Whether what is shown may be older than what is true. */
  setStale(stale) {
    byId("board").toggleAttribute("data-stale", stale);
  }

  /** The player's own entry, if it is among those shown. */
  entryOf(userId) {
    return this.#entries.find((entry) => entry.userId === userId) ?? null;
  }

  /** Whom to pass next from a rank: who is one place higher, or else the last of the ten; null if nobody is shown. */
  ahead(rank) {
    return this.#entries.findLast((entry) => entry.rank < rank) ?? null;
  }

  #draw() {
    if (document.hidden) return this.#redraw();
    if (this.#drawing) return undefined;
    this.#drawing = true;
    return requestAnimationFrame(() => this.#redraw());
  }

  #redraw() {
    this.#drawing = false;
    const before = this.#places();
    const known = this.#rows;
    this.#rows = new Map(this.#entries.map((entry) => [entry.userId, known.get(entry.userId) ?? this.#newRow(entry)]));
    this.#arrange(before);
    if (mayMove()) this.#move(before);
    for (const entry of this.#entries) this.#fill(entry, before);
    this.#showOwn();
  }

  // Where each row is laid out, how far from there it is seen, and which rank it had.
  #places() {
    const places = new Map();
    for (const { element } of this.#rows.values()) {
      places.set(element, { top: element.offsetTop, seen: offsetOf(element), rank: Number(element.dataset.rank) });
    }
    return places;
  }

  #newRow(entry) {
    const row = new Row();
    this.#show(row, entry);
    return row;
  }

  #arrange(before) {
    const rows = [...this.#rows.values()].map((row) => row.element);
    const wanted = [...rows, ...this.#vacancies.slice(rows.length)];
    wanted.forEach((element, index) => {
      const here = this.list.children[index] ?? null;
      if (here !== element) putBefore(this.list, element, here);
    });
    for (const element of [...this.list.children].slice(wanted.length)) this.#remove(element, before.get(element));
  }

  #remove(element, place) {
    if (element.inert) return; // It is leaving already.
    if (!place || !mayMove() || !this.#rows.size) {
      element.remove();
      return;
    }
    element.inert = true;
    element.classList.add("leaving");
    element.style.top = `${place.top}px`;
    leave(element, place.seen);
  }

  #move(before) {
    const after = [...this.#rows.values()].map(({ element }) => [element, element.offsetTop]);
    for (const [element, top] of after) {
      const place = before.get(element);
      if (!place) appear(element);
      else if (place.top !== top) glide(element, place.top + place.seen - top);
    }
  }

  #fill(entry, before) {
    const row = this.#rows.get(entry.userId);
    const place = before.get(row.element);
    if (place && place.rank !== entry.rank) row.moved(place.rank, entry.rank);
    else if (!place && before.size) row.moved(null, entry.rank);
    this.#show(row, entry);
  }

  #show(row, entry) {
    const leader = this.#entries[0]?.score ?? 0;
    const share = leader > 0 ? Math.min(1, Math.max(0, entry.score / leader)) : 0;
    row.fill(entry, { share: share.toFixed(4), mine: entry.userId === this.#me?.userId });
  }

  #showOwn() {
    const me = this.#me;
    const below = Boolean(me?.rank && this.#entries.length && !this.entryOf(me.userId));
    byId("own").hidden = !below;
    if (!below) return;
    const before = Number(this.#own.element.dataset.rank);
    const same = this.#own.element.dataset.user === String(me.userId);
    if (same && before !== me.rank) this.#own.moved(before, me.rank);
    this.#show(this.#own, me);
  }

  #explain(state, title, text) {
    byId("board").dataset.state = state;
    byId("empty-title").textContent = title;
    byId("empty-text").textContent = text;
    byId("board-empty").hidden = !title;
    this.list.setAttribute("aria-busy", String(state === "loading"));
  }

  #showChange(updatedAt) {
    const when = new Date(updatedAt ?? Number.NaN);
    const known = !Number.isNaN(when.getTime());
    byId("changed").hidden = !known;
    if (!known) return;
    const time = byId("changed-at");
    time.dateTime = when.toISOString();
    time.textContent = when.toLocaleTimeString([], { timeStyle: "medium" });
    time.title = when.toLocaleString();
  }
}
