// A number whose digits roll to their new values. Each digit is a reel that CSS draws and moves: a roll under way turns
// to a newer value by itself, and nothing runs in a page that nobody sees.

import { make, seen, spoken } from "./dom.js";
import { mayMove } from "./motion.js";
import { number } from "./words.js";

const isDigit = (sign) => sign >= "0" && sign <= "9";

function makeCell(sign) {
  if (!isDigit(sign)) return make("span", "mark", sign);
  const reel = make("span", "reel");
  reel.style.setProperty("--digit", 0);
  return reel;
}

export class Counter {
  #value = null;
  #cells = []; // From the right, so that units stay units.

  /** Fills `element`, which is empty. */
  constructor(element) {
    this.spoken = spoken();
    this.reels = seen(make("span", "reels"));
    element.replaceChildren(this.spoken, this.reels);
  }

  get value() {
    return this.#value;
  }

  /** Show a whole number, or a dash for null. Answers by how much it changed. */
  show(value) {
    const before = this.#value;
    if (value === before && this.#cells.length) return 0;
    this.#value = value;
    const text = value === null ? "–" : number(value);
    this.spoken.textContent = text;
    const signs = [...text].reverse();
    const grown = this.#lay(signs);
    if (grown && before !== null && mayMove()) this.reels.getBoundingClientRect(); // New reels roll from 0.
    this.#turn(signs);
    return before === null || value === null ? 0 : value - before;
  }

  // Answers whether there are other cells than before.
  #lay(signs) {
    const fits = (cell, sign) => cell && (isDigit(sign) ? cell.className === "reel" : cell.textContent === sign);
    const cells = signs.map((sign, index) => (fits(this.#cells[index], sign) ? this.#cells[index] : makeCell(sign)));
    const same = cells.length === this.#cells.length && cells.every((cell, index) => cell === this.#cells[index]);
    if (!same) this.#replace(cells);
    return !same;
  }

  // Cells that stay are left where they are: moving an element would end its roll.
  #replace(cells) {
    for (const cell of this.#cells) if (!cells.includes(cell)) cell.remove();
    cells.forEach((cell, index) => {
      if (cell.parentNode !== this.reels) this.reels.insertBefore(cell, cells[index - 1] ?? null);
    });
    this.#cells = cells;
  }

  #turn(signs) {
    signs.forEach((sign, index) => isDigit(sign) && this.#cells[index].style.setProperty("--digit", sign));
  }
}
