// One place of the board: rank, name, how many places were won or lost lately, and the score.

import { Counter } from "./counter.js";
import { make, seen, spoken } from "./dom.js";
import { nudge } from "./motion.js";
import { number } from "./words.js";

const REMEMBERED = 8_000; // For how long a climb or a fall is shown.
const RISE = [
  { opacity: 0, transform: "translateY(0.6rem)" },
  { opacity: 1, transform: "none", offset: 0.2 },
  { opacity: 1, transform: "none", offset: 0.7 },
  { opacity: 0, transform: "translateY(-0.5rem)" },
];

const places = (count) => `${count} ${count === 1 ? "place" : "places"}`;

/** A place that nobody has. */
export function makeVacancy(rank) {
  const blank = (part) => make("span", part, make("span", "blank"));
  const track = make("span", "track", make("span", "bar-fill"));
  const place = make("span", "rank", String(rank));
  const row = make("li", "row vacant", track, place, blank("name"), make("span", "delta"), blank("score"));
  row.style.setProperty("--share", 1 - 0.08 * rank); // As a board would look.
  return seen(row);
}

export class Row {
  #from = null; // The rank before the first of the changes that are shown.
  #fading = null;

  constructor() {
    this.bar = seen(make("span", "track", make("span", "bar-fill")));
    this.rank = make("span", "rank");
    this.name = make("span", "name-text");
    this.name.dir = "auto";
    this.you = make("span", "you", "you");
    this.delta = make("span", "delta");
    this.gain = seen(make("span", "gained"));
    const score = make("span", "score");
    const name = make("span", "name", this.name, this.you);
    this.element = make("li", "row", this.bar, this.rank, name, this.delta, score);
    this.score = new Counter(score);
    score.append(this.gain);
  }

  /** Show a player. `share` is the score as a part of the leader's, 0 to 1. */
  fill(entry, { share, mine }) {
    const { style, dataset, classList } = this.element;
    dataset.rank = entry.rank;
    dataset.user = entry.userId;
    classList.toggle("mine", mine);
    style.setProperty("--share", share);
    this.rank.textContent = number(entry.rank);
    this.name.textContent = entry.username;
    this.name.title = entry.username;
    this.you.hidden = !mine;
    this.#gained(this.score.show(entry.score));
  }

  /** Remember that the player came from another rank, or with null from below the ten. */
  moved(before, rank) {
    if (this.#fading === null) this.#from = before;
    this.#forgetLater();
    if (this.#from === null) this.#chip("new", "new", "new in the top 10");
    else if (this.#from > rank) this.#chip("up", this.#from - rank, `up ${places(this.#from - rank)}`);
    else if (this.#from < rank) this.#chip("down", rank - this.#from, `down ${places(rank - this.#from)}`);
    else this.#forget();
  }

  #chip(kind, text, words) {
    const chip = make("span", `chip ${kind}`, seen(make("span", "", String(text))), spoken(words));
    this.delta.replaceChildren(chip);
  }

  #forgetLater() {
    clearTimeout(this.#fading);
    this.#fading = setTimeout(() => this.#forget(), REMEMBERED);
  }

  #forget() {
    clearTimeout(this.#fading);
    this.#fading = null;
    this.delta.replaceChildren();
  }

  #gained(points) {
    if (points === 0) return;
    this.gain.textContent = `${points > 0 ? "+" : "−"}${number(Math.abs(points))}`;
    this.gain.classList.toggle("lost", points < 0);
    nudge(this.gain, RISE, 1_800);
  }
}
