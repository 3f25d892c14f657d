// What screen readers hear about the board: the latest news after a pause, not each step on the way there.

import { byId } from "./dom.js";

const PAUSE = 4_000;
let speaking = null;
let news = "";

export function announce(text) {
  news = text;
  speaking ??= setTimeout(() => {
    speaking = null;
    if (byId("announcer").textContent !== news) byId("announcer").textContent = news;
  }, PAUSE);
}
