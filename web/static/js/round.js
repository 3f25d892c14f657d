// One round on the playing field: ten targets, one after the other, and the time it took.

const TARGETS = 10;
const WAIT = { least: 500, most: 1_100 }; // Ten waits make five seconds even for the fastest hand.

export class RoundEnded extends Error {}

export class Round {
  #timers = new Set();
  #hits = 0;
  #listening = new AbortController();

  /** `view`: the elements `arena`, `target`, `count` and `time`. */
  constructor(view, maxMs) {
    Object.assign(this, { view, maxMs });
  }

  /** Resolves to whole milliseconds; rejects with RoundEnded if the player gave up or took too long. */
  play() {
    return new Promise((resolve, reject) => {
      Object.assign(this, { resolve, reject, begun: performance.now() });
      this.#listen();
      this.#later(this.maxMs, () => this.#end(() => reject(new RoundEnded("slow"))));
      this.#clock();
      this.#await();
    });
  }

  get #shown() {
    return !this.view.target.hidden;
  }

  #listen() {
    const { arena, target } = this.view;
    const { signal } = this.#listening;
    arena.addEventListener("pointerdown", (event) => this.#strike(event, event.target === target), { signal });
    target.addEventListener("click", () => this.#shown && this.#hit(), { signal }); // From assistive technology.
    document.addEventListener("keydown", (event) => this.#key(event), { signal });
  }

  #key(event) {
    if (event.key === "Escape") this.#end(() => this.reject(new RoundEnded("given up")));
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!event.repeat) this.#strike(event, true);
  }

  #strike(event, onTarget) {
    event.preventDefault();
    if (this.#shown && onTarget) this.#hit();
    else if (!this.#shown) this.#tooSoon();
  }

  #hit() {
    this.#hits += 1;
    this.#flash("hit");
    if (this.#hits < TARGETS) this.#await();
    else this.#end(() => this.resolve(Math.floor(performance.now() - this.begun)));
  }

  #tooSoon() {
    this.#flash("soon");
    this.#await();
  }

  #await() {
    const { arena, target, count } = this.view;
    count.textContent = `${this.#hits} / ${TARGETS}`;
    target.hidden = true;
    arena.focus({ preventScroll: true });
    clearTimeout(this.next);
    this.next = this.#later(WAIT.least + Math.random() * (WAIT.most - WAIT.least), () => this.#appear());
  }

  #appear() {
    const { target } = this.view;
    target.style.left = `${15 + Math.random() * 70}%`;
    target.style.top = `${20 + Math.random() * 64}%`;
    target.setAttribute("aria-label", `Target ${this.#hits + 1} of ${TARGETS}`);
    target.hidden = false;
    target.focus({ preventScroll: true });
  }

  #flash(kind) {
    const { arena } = this.view;
    arena.dataset.flash = kind;
    clearTimeout(this.fading);
    this.fading = this.#later(160, () => delete arena.dataset.flash);
  }

  #clock() {
    this.view.time.textContent = `${((performance.now() - this.begun) / 1000).toFixed(1)} s`;
    this.#later(100, () => this.#clock());
  }

  #later(ms, work) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  #end(settle) {
    this.#listening.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    this.view.target.hidden = true;
    delete this.view.arena.dataset.flash;
    settle();
  }
}
