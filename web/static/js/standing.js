// The player's own figures: score, rank, and how far the next place is.

import { Counter } from "./counter.js";
import { byId } from "./dom.js";
import { fly, nudge } from "./motion.js";
import { number } from "./words.js";

const STATUS = {
  flagged: "Your account is under review. You can keep playing.",
  suspended: "Your account is suspended. It cannot earn points.",
};
const BUMP = [{ transform: "none" }, { transform: "scale(1.14)", offset: 0.3 }, { transform: "none" }];

function isInSight(element) {
  const { top, bottom, width } = element.getBoundingClientRect();
  return width > 0 && top >= 0 && bottom <= innerHeight;
}

// The player's score stands above the games, and in the board; on a small screen perhaps only one of them is seen.
function scoreInSight() {
  const scores = [byId("my-score"), ...document.querySelectorAll(".row.mine > .score")];
  return scores.find(isInSight) ?? scores[0];
}

export class Standing {
  #score = new Counter(byId("my-score"));

  constructor() {
    this.show(null);
  }

  /** `me` as from `/api/me`, or null while it is unknown; `ahead` is whom to pass next, if that is known. */
  show(me, ahead = null) {
    this.#score.show(me?.score ?? null);
    byId("my-rank").textContent = me?.rank ? `#${number(me.rank)}` : "–";
    byId("my-status").textContent = STATUS[me?.status] ?? "";
    byId("my-status").hidden = !STATUS[me?.status];
    this.#showGap(me, ahead);
  }

  /** Let points that were just earned fly to the score from where they are shown. */
  async fly(points, from) {
    if (!points || !from) return;
    const target = scoreInSight();
    await fly(`+${number(points)}`, from, target);
    nudge(target, BUMP, 450);
  }

  // Whoever reaches a score later stands below: to pass takes one point more than the gap.
  #showGap(me, ahead) {
    const known = me?.rank && ahead && ahead.score >= me.score;
    const close = known && ahead.rank === me.rank - 1;
    byId("next-label").textContent = known ? (close ? `To pass #${ahead.rank}` : "To the top 10") : "Next place";
    if (known) byId("next-gap").textContent = `+${number(ahead.score - me.score + 1)}`;
    else byId("next-gap").textContent = me?.rank === 1 ? "You lead" : "–";
  }
}
