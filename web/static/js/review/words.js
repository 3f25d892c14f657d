// What the review says of cases, families and times.

import { number } from "../words.js";

export const SEVERITIES = { high: "High", medium: "Medium", low: "Low" };
export const FAMILIES = {
  A: "How even the rhythm is",
  B: "What is claimed against the server's clock",
  C: "Times that came before",
  D: "How long without a rest",
  E: "How fast, all of a sudden",
  F: "Accounts that act as one",
  G: "What the server refused",
};
const STANDINGS = {
  suspended: "Suspended: logged out, off the board, and cannot earn points.",
  held: "Held: off the public board until somebody decides. The player is not told.",
  flagged: "On the board, and told that the account is under review.",
  active: "On the board like everybody else.",
};
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const at = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export const rule = (name) => name.replaceAll("_", " ");
export const figure = (value) => (value === null ? "–" : short.format(value));
export const moment = (time) => at.format(new Date(time));
export const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** How long ago, in one unit. */
export function since(time) {
  const seconds = (Date.now() - new Date(time)) / 1000;
  const [unit, length] = UNITS.find(([, size]) => seconds >= size) ?? [null, 1];
  return unit ? ago.format(-Math.floor(seconds / length), unit) : "just now";
}

/** How rare something is among honest people, at most. */
export function rarity(percentile) {
  if (percentile === null) return null;
  if (percentile >= 0.5) return "as honest people are";
  return `at most 1 in ${number(Math.round(1 / Math.max(percentile, 1e-12)))} honest players`;
}

/** What the player's account is like now. */
export function standing(file) {
  return STANDINGS[file.accountStatus === "suspended" ? "suspended" : file.held ? "held" : file.accountStatus];
}

/** What a decision took, as its audit has it. */
export function scope({ decision, reverse, entries }) {
  if (decision === "clear") return "Gave back what the review had taken.";
  const taken = counted(entries, "completion");
  if (reverse === "all") return `Everything: ${taken}.`;
  if (reverse === "evidence" || reverse === null) return `What the evidence rests on: ${taken}.`;
  const ends = [reverse.since && `from ${moment(reverse.since)}`, reverse.until && `before ${moment(reverse.until)}`];
  return `Earned ${ends.filter(Boolean).join(", ")}: ${taken}.`;
}
