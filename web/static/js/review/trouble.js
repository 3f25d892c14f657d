// What does not work just now: one line above everything, until it works again.

import { byId } from "../dom.js";

const told = new Map(); // By the part of the page that says it.

function show() {
  const line = [...new Set(told.values())].join(" ");
  if (byId("trouble").textContent !== line) byId("trouble").textContent = line; // The same is not read aloud twice.
}

/** A part of the page says what does not work, or "" when it works. */
export function tell(part, text) {
  if (text) told.set(part, text);
  else told.delete(part);
  show();
}

export const fails = (part) => told.has(part);

/** For whoever comes next. */
export function forget() {
  told.clear();
  show();
}
