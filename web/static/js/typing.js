// One sentence, to be typed as it stands.

import { make, seen, spoken } from "./dom.js";
import { Round } from "./round.js";

// Plain letters, commas and full stops, so that every keyboard can; long enough for five seconds of the fastest hands.
const SENTENCES = [
  "A fair board counts what you did, and not what you say that you did.",
  "Every climb to the top begins with one small step that nobody saw.",
  "The quick hand wins the round, but the steady hand wins the season.",
  "Ten names fit on the board, and the eleventh is already on the way.",
  "Whoever leads today should look behind, because somebody is catching up.",
  "Points are easy to write down and hard to earn, so we keep them in ink.",
];
const NO_HELP = { autocomplete: "off", autocapitalize: "off", autocorrect: "off", spellcheck: "false" };

export class Typing extends Round {
  #mistakes = 0;
  #right = 0;

  begin() {
    this.sentence = SENTENCES[Math.floor(Math.random() * SENTENCES.length)];
    this.letters = [...this.sentence].map((letter) => make("span", "letter", letter));
    const copy = make("p", "sentence", seen(make("span", "", ...this.letters)), spoken(this.sentence));
    copy.id = "sentence";
    this.view.stage.append(make("div", "sprint", copy, this.#makeInput()));
    this.#type();
    this.input.focus({ preventScroll: true });
  }

  #makeInput() {
    this.input = make("input", "type-here");
    for (const [name, value] of Object.entries(NO_HELP)) this.input.setAttribute(name, value);
    this.input.setAttribute("aria-label", "Type the sentence");
    this.input.setAttribute("aria-describedby", "sentence");
    this.listen(this.input, "input", () => this.#type());
    this.listen(this.input, "paste", (event) => event.preventDefault());
    this.listen(this.input, "drop", (event) => event.preventDefault());
    return this.input;
  }

  #type() {
    const typed = this.input.value;
    const right = this.#rightSigns(typed);
    const wrong = typed.length > right;
    if (wrong && this.input.getAttribute("aria-invalid") !== "true") this.#mistakes += 1;
    this.#right = right;
    this.input.setAttribute("aria-invalid", String(wrong));
    this.#show(typed.length);
    if (typed === this.sentence) this.finish({ characters: typed.length, mistakes: this.#mistakes });
  }

  #rightSigns(typed) {
    const wrongAt = [...typed].findIndex((sign, index) => sign !== this.sentence[index]);
    return wrongAt === -1 ? typed.length : wrongAt;
  }

  #show(length) {
    this.letters.forEach((letter, index) => {
      const typed = index < length;
      letter.classList.toggle("right", typed && index < this.#right);
      letter.classList.toggle("wrong", typed && index >= this.#right);
      letter.classList.toggle("next", index === length);
    });
    this.progress(`${Math.floor((100 * this.#right) / this.sentence.length)} %`);
  }
}
