// Ten targets, one after the other.

import { makeButton } from "./dom.js";
import { Round } from "./round.js";

const TARGETS = 10;
const WAIT = { least: 500, most: 1_100 }; // Ten waits make five seconds even for the fastest hand.

export class Reaction extends Round {
  #hits = 0;
  #early = 0;
  #struck = -1; // When, so that the click that follows is not a second stroke.

  begin() {
    const { stage } = this.view;
    this.target = makeButton("target");
    this.target.hidden = true;
    stage.append(this.target);
    this.listen(stage, "pointerdown", (event) => this.#press(event));
    this.listen(this.target, "click", (event) => this.#click(event)); // From assistive technology.
    this.listen(document, "keydown", (event) => this.#key(event));
    this.#await();
  }

  #press(event) {
    event.preventDefault();
    this.#struck = event.timeStamp;
    this.#strike(event.target === this.target);
  }

  #click(event) {
    if (event.detail === 0 && event.timeStamp - this.#struck > 500) this.#strike(true);
  }

  #key(event) {
    if ((event.key !== " " && event.key !== "Enter") || event.target.closest(".hud")) return;
    event.preventDefault();
    this.#struck = event.timeStamp;
    if (!event.repeat) this.#strike(true);
  }

  #strike(onTarget) {
    if (this.target.hidden) this.#tooSoon();
    else if (onTarget) this.#hit();
  }

  #hit() {
    this.#hits += 1;
    this.#flash("hit");
    if (this.#hits < TARGETS) this.#await();
    else this.finish({ hits: this.#hits, tooSoon: this.#early });
  }

  #tooSoon() {
    this.#early += 1;
    this.#flash("soon");
    this.#await();
  }

  #await() {
    this.progress(`${this.#hits} of ${TARGETS}`);
    this.target.hidden = true;
    this.view.stage.focus({ preventScroll: true });
    clearTimeout(this.next);
    this.next = this.later(WAIT.least + Math.random() * (WAIT.most - WAIT.least), () => this.#appear());
  }

  #appear() {
    this.target.style.left = `${14 + Math.random() * 72}%`;
    this.target.style.top = `${24 + Math.random() * 56}%`;
    this.target.setAttribute("aria-label", `Target ${this.#hits + 1} of ${TARGETS}`);
    this.target.hidden = false;
    this.target.focus({ preventScroll: true });
  }

  #flash(kind) {
    const { stage } = this.view;
    stage.dataset.flash = kind;
    clearTimeout(this.fading);
    this.fading = this.later(180, () => delete stage.dataset.flash);
  }
}
