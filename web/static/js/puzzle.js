// Eight tiles and a gap on three by three places, to be slid into order.

import { make, makeButton } from "./dom.js";
import { Round } from "./round.js";

const SIDE = 3;
const GAP = SIDE * SIDE - 1; // Where the gap belongs: the last place.
const SHUFFLES = 60;
const STEPS = { ArrowLeft: 1, ArrowRight: -1, ArrowUp: SIDE, ArrowDown: -SIDE }; // From the gap to the tile that moves.

function adjoin(one, other) {
  const [high, low] = [Math.max(one, other), Math.min(one, other)];
  return high - low === SIDE || (high - low === 1 && high % SIDE !== 0);
}

function neighbours(place) {
  const around = [-SIDE, -1, 1, SIDE].map((step) => place + step);
  return around.filter((at) => at >= 0 && at <= GAP && adjoin(at, place));
}

/** Places to tiles, where 8 is the gap. Made by sliding, so it can be slid back; never in order already. */
function shuffled(random = Math.random) {
  const tiles = Array.from({ length: SIDE * SIDE }, (_, index) => index);
  for (let slide = 0, gap = GAP, last = -1; slide < SHUFFLES || isDone(tiles); slide += 1) {
    const open = neighbours(gap).filter((place) => place !== last);
    const from = open[Math.floor(random() * open.length)];
    [tiles[gap], tiles[from]] = [tiles[from], tiles[gap]];
    [last, gap] = [gap, from];
  }
  return tiles;
}

const isDone = (tiles) => tiles.every((tile, place) => tile === place);

export class Puzzle extends Round {
  #tiles = shuffled();
  #moves = 0;

  begin() {
    this.buttons = Array.from({ length: GAP }, (_, tile) => this.#makeTile(tile));
    this.board = make("div", "tiles", ...this.buttons);
    this.view.stage.append(this.board);
    this.listen(document, "keydown", (event) => this.#key(event));
    this.#show();
    this.view.stage.focus({ preventScroll: true });
  }

  #makeTile(tile) {
    const button = makeButton("tile", String(tile + 1));
    this.listen(button, "click", () => this.#slide(this.#tiles.indexOf(tile)));
    return button;
  }

  #key(event) {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    this.#slide(this.#tiles.indexOf(GAP) + step);
  }

  #slide(place) {
    const gap = this.#tiles.indexOf(GAP);
    if (place < 0 || place > GAP || !adjoin(place, gap)) return;
    [this.#tiles[gap], this.#tiles[place]] = [this.#tiles[place], GAP];
    this.#moves += 1;
    this.#show();
    if (isDone(this.#tiles)) this.later(220, () => this.finish({ moves: this.#moves })); // The last tile arrives first.
  }

  #show() {
    this.progress(`${this.#moves} ${this.#moves === 1 ? "move" : "moves"}`);
    this.#tiles.forEach((tile, place) => tile !== GAP && this.#put(tile, place));
  }

  #put(tile, place) {
    const [row, column] = [Math.floor(place / SIDE), place % SIDE];
    const { style } = this.buttons[tile];
    style.setProperty("--row", row);
    style.setProperty("--column", column);
    const free = adjoin(place, this.#tiles.indexOf(GAP)) ? ", can slide" : "";
    this.buttons[tile].setAttribute("aria-label", `${tile + 1}, row ${row + 1}, column ${column + 1}${free}`);
    this.buttons[tile].classList.toggle("home", tile === place);
  }
}
