// The analysts' desk: puts queue, case and decision together, and looks for news every few seconds.

import { announce } from "../announcer.js";
import { fairboard } from "../client.js";
import { byId } from "../dom.js";
import { explain } from "../words.js";
import { waiting } from "./api.js";
import { CaseFile } from "./casefile.js";
import { Decision } from "./decision.js";
import { Gate } from "./gate.js";
import { listen } from "./keys.js";
import { Queue } from "./queue.js";
import { fails, forget, tell } from "./trouble.js";

const LOOK = 4_000;
const TRYING = "This page goes on trying; meanwhile it may show what is old.";

const gate = new Gate();
const file = new CaseFile({ onAnswer: (problem) => hear("case", problem) });
const queue = new Queue({ onOpen: go, onAnswer: (problem) => hear("queue", problem) });
const decision = new Decision({ onDecided: decided, onStale: reopen, onClosed: reopen });

let player; // The session's userId, null for nobody; undefined at first.
let counts = null;
let timer = null;
let looking = 0; // Tells the look that counts from those of somebody who has left.

const addressed = () => Number(/^#(\d{1,15})$/.exec(location.hash)?.[1] ?? 0);

function go(id) {
  if (addressed() === id) show();
  else location.hash = `#${id}`;
}

function follow(held, over = false) {
  if ((held?.userId ?? null) === player) return;
  player = held?.userId ?? null;
  looking += 1;
  clearTimeout(timer);
  counts = null;
  decision.close();
  file.close();
  queue.clear();
  forget();
  document.title = "Review · Fairboard";
  document.body.dataset.view = "closed";
  if (!held) return gate.askForLogin(over);
  gate.wait();
  return look();
}

// The first look finds out whether the server lets this account see anything at all.
async function look() {
  const mine = looking;
  try {
    const news = document.hidden && counts ? null : await waiting();
    if (mine !== looking) return;
    if (news) take(news);
  } catch (problem) {
    if (mine !== looking) return;
    if (problem.status === 403) return refuse();
    if (counts) hear("news", problem);
    else gate.fail(problem);
  }
  timer = setTimeout(look, LOOK);
}

function take(news) {
  const before = counts;
  counts = news;
  document.title = `${news.high ? `(${news.high}) ` : ""}Review · Fairboard`;
  queue.count(news);
  tell("news", "");
  if (before === null) enter();
  else catchUp(news, before);
}

function enter() {
  const entered = gate.open(fairboard.session.username);
  document.body.dataset.view = "queue";
  queue.reload().then(() => entered && !addressed() && queue.focus());
  show();
}

// Whatever could not be read is tried again.
function catchUp(news, before) {
  const changed = news.changedAt !== before.changedAt;
  if (changed && news.newest > before.newest) announce("There are new cases.");
  if (changed || fails("queue")) queue.reload();
  if (!decision.isOpen && (changed || fails("case"))) reopen();
}

/** Show the case that the address names. */
async function show() {
  const id = addressed();
  if (!counts) return;
  document.body.dataset.view = id ? "case" : "queue";
  queue.mark(id || null);
  if (!id) return close();
  if (file.shown?.id !== id) decision.close();
  if (await file.open(id)) {
    byId("file-title").focus({ preventScroll: true });
    scrollTo({ top: 0 });
  } else if (!file.shown && document.activeElement === document.body) {
    byId("back-empty").focus(); // In a narrow window the row that had the focus is gone.
  }
}

/** Read anew the case that is shown, or could not be. */
async function reopen() {
  if (addressed() && (file.shown || fails("case"))) await show();
}

// The dialog is closing, and with that the case is read anew.
function decided(shown, verdict) {
  announce(`${shown.username}: ${verdict === "clear" ? "cleared" : "confirmed"}.`);
  file.knows(shown);
  byId("file-title").focus({ preventScroll: true });
  queue.reload();
}

// What a call of one part of the page came to: a problem, or null.
function hear(part, problem) {
  if (!problem) tell(part, "");
  else if (problem.status === 403) refuse();
  else if (part === "case" && problem.code === "NOT_FOUND") miss();
  else if (problem.status !== 401) tell(part, `${explain(problem)} ${TRYING}`);
}

function refuse() {
  forget();
  gate.refuse(fairboard.session?.username ?? "This account");
}

function miss() {
  back();
  tell("case", "There is no such case.");
}

function close() {
  file.close();
  tell("case", "");
}

function back() {
  if (addressed()) history.pushState(null, "", location.pathname);
  document.body.dataset.view = "queue";
  queue.focus();
  queue.mark(null);
  close();
}

function ask(verdict) {
  if (file.shown?.id !== addressed() || byId(verdict).hidden) return; // Between two cases there is none to decide.
  if (!file.leadToNews()) decision.ask(file.shown, verdict);
}

for (const id of ["back", "back-empty"]) byId(id).addEventListener("click", back);
for (const verdict of ["clear", "confirm"]) byId(verdict).addEventListener("click", () => ask(verdict));
listen({
  next: () => queue.move(1),
  previous: () => queue.move(-1),
  clear: () => ask("clear"),
  confirm: () => ask("confirm"),
  reload: () => queue.reload(),
  back,
});
addEventListener("hashchange", show);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // The address is the case's.
  byId("file").focus();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !counts) return;
  clearTimeout(timer);
  look();
});
fairboard.onSession(follow);
follow(fairboard.session);
