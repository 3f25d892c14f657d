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

const LOOK = 4_000;

const gate = new Gate();
const file = new CaseFile({ onTrouble: complain });
const queue = new Queue({ onOpen: go, onTrouble: complain });
const decision = new Decision({ onDecided: decided, onStale: () => reopen() });

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
    const news = document.hidden && counts ? counts : await waiting();
    if (mine !== looking) return;
    take(news);
  } catch (problem) {
    if (mine !== looking) return;
    if (problem.status === 403) return gate.refuse(fairboard.session?.username ?? "This account");
    if (!counts) gate.fail(problem);
  }
  timer = setTimeout(look, LOOK);
}

function take(news) {
  const before = counts;
  counts = news;
  document.title = `${news.high ? `(${news.high}) ` : ""}Review · Fairboard`;
  queue.count(news);
  if (before === null) {
    const entered = gate.open(fairboard.session.username);
    document.body.dataset.view = "queue";
    queue.reload().then(() => entered && !addressed() && queue.focus());
    show();
  } else if (news.changedAt !== before.changedAt) {
    if (news.newest > before.newest) announce("There are new cases.");
    queue.reload();
    if (!decision.isOpen) reopen();
  }
}

/** Show the case that the address names. */
async function show() {
  const id = addressed();
  if (!counts) return;
  document.body.dataset.view = id ? "case" : "queue";
  queue.mark(id || null);
  if (!id) return file.close();
  const fresh = file.shown?.id !== id;
  if (await file.open(id)) {
    if (fresh) {
      byId("file-title").focus({ preventScroll: true });
      scrollTo({ top: 0 });
    }
  }
}

async function reopen() {
  if (file.shown) await file.open(file.shown.id);
}

async function decided(shown, verdict) {
  announce(`${shown.username}: ${verdict === "clear" ? "cleared" : "confirmed"}.`);
  await Promise.all([file.open(shown.id), queue.reload()]);
  byId("file-title").focus({ preventScroll: true });
}

function complain(problem) {
  if (problem.status === 403) gate.refuse(fairboard.session?.username ?? "This account");
  else if (problem.status !== 401) announce(problem.code === "NOT_FOUND" ? "There is no such case." : explain(problem));
  if (problem.code === "NOT_FOUND") location.hash = "";
}

function back() {
  if (addressed()) history.pushState(null, "", location.pathname);
  document.body.dataset.view = "queue";
  queue.focus();
  queue.mark(null);
  file.close();
}

const ask = (verdict) => file.shown && !byId(verdict).hidden && decision.ask(file.shown, verdict);

byId("back").addEventListener("click", back);
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
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !counts) return;
  clearTimeout(timer);
  look();
});
fairboard.onSession(follow);
follow(fairboard.session);
