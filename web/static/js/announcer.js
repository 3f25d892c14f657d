// What screen readers hear about the board: the latest of each subject after a pause, not each step on the way there.

import { byId } from "./dom.js";

const PAUSE = 4_000;
const news = new Map(); // By subject.
let speaking = null;

export function announce(text, subject = "") {
  news.set(subject, text);
  speaking ??= setTimeout(() => {
    speaking = null;
    const sentences = [...news.values()].join(" ");
    news.clear();
    if (byId("announcer").textContent !== sentences) byId("announcer").textContent = sentences;
  }, PAUSE);
}
