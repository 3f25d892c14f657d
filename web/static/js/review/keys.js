// The keyboard: every key does what a button does, and the help has them all.

import { byId, make } from "../dom.js";

const KEYS = [
  ["j", "next", "The next case"],
  ["k", "previous", "The case before"],
  ["Enter", null, "Open the case"],
  ["c", "clear", "Clear the open case"],
  ["x", "confirm", "Confirm the open case"],
  ["u", "back", "Back to the queue"],
  ["r", "reload", "Read the queue anew"],
  ["?", "help", "These keys"],
  ["Esc", null, "Close what is open"],
];
const TYPED = "input, textarea, select";

/** `acts` has a function by the name of each key's deed. */
export function listen(acts) {
  const rows = KEYS.map(([key, , what]) => make("div", "", make("dt", "", make("kbd", "", key)), make("dd", "", what)));
  byId("key-list").replaceChildren(...rows);
  const help = () => byId("help").showModal();
  byId("help-open").addEventListener("click", help);
  const deeds = new Map(KEYS.filter(([, deed]) => deed).map(([key, deed]) => [key, acts[deed] ?? help]));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches(TYPED)) return;
    if (document.querySelector("dialog[open]") || byId("desk").hidden || !deeds.has(event.key)) return;
    event.preventDefault();
    deeds.get(event.key)();
  });
}
