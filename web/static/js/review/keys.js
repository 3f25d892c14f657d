// The keyboard: every key does what a button does, and the help has them all, and a switch.

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
const OFF = "fairboard.keys-off";

function remembered() {
  try {
    return localStorage.getItem(OFF) !== null;
  } catch {
    return false;
  }
}

function remember(off) {
  try {
    if (off) localStorage.setItem(OFF, "1");
    else localStorage.removeItem(OFF);
  } catch {
    // Then it is so until the page is left.
  }
}

// Whoever speaks to the computer may type letters that were meant as words. The help keeps its key, to find the switch by.
function offerSwitch() {
  const on = byId("keys-on");
  on.checked = !remembered();
  on.addEventListener("change", () => remember(!on.checked));
  return on;
}

/** `acts` has a function by the name of each key's deed. */
export function listen(acts) {
  const rows = KEYS.map(([key, , what]) => make("div", "", make("dt", "", make("kbd", "", key)), make("dd", "", what)));
  byId("key-list").replaceChildren(...rows);
  const help = () => {
    byId("help").showModal();
    byId("help-close").focus();
  };
  byId("help-open").addEventListener("click", help);
  const on = offerSwitch();
  const deeds = new Map(KEYS.filter(([, deed]) => deed).map(([key, deed]) => [key, acts[deed] ?? help]));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches(TYPED)) return;
    if (document.querySelector("dialog[open]") || byId("desk").hidden || !deeds.has(event.key)) return;
    if (!on.checked && event.key !== "?") return;
    event.preventDefault();
    deeds.get(event.key)();
  });
}
