// What every round has: a stage of its own, a clock that is seen, an end that comes by itself, and Escape to give up.

export class RoundEnded extends Error {}

export class Round {
  #timers = new Set();
  #listening = new AbortController();

  /** `view`: the elements `stage`, `count` and `time`. A round plays once. */
  constructor(view, maxMs) {
    Object.assign(this, { view, maxMs });
  }

  /** Resolves to `{time, data}`, whole milliseconds and what else is worth telling; rejects with RoundEnded. */
  play() {
    return new Promise((resolve, reject) => {
      Object.assign(this, { resolve, reject });
      this.listen(document, "keydown", (event) => event.key === "Escape" && this.giveUp());
      this.begin();
      this.begun = performance.now();
      this.later(this.maxMs, () => this.#end(() => reject(new RoundEnded("slow"))));
      this.#clock();
    });
  }

  /** For the game: build what is played with, and listen. */
  begin() {
    throw new Error("a game begins in its own way");
  }

  giveUp() {
    this.#end(() => this.reject(new RoundEnded("given up")));
  }

  /** For the game: it is done. */
  finish(data) {
    const time = Math.floor(performance.now() - this.begun);
    this.#end(() => this.resolve({ time, data }));
  }

  /** For the game: how far it is, in a few signs. */
  progress(text) {
    this.view.count.textContent = text;
  }

  listen(target, type, handler) {
    target.addEventListener(type, handler, { signal: this.#listening.signal });
  }

  later(ms, work) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  #clock() {
    this.view.time.textContent = `${((performance.now() - this.begun) / 1000).toFixed(1)} s`;
    this.later(100, () => this.#clock());
  }

  #end(settle) {
    this.#listening.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    this.view.stage.replaceChildren();
    delete this.view.stage.dataset.flash;
    settle();
  }
}
