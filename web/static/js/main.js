// Puts the parts together: who is logged in, the live board, the games, and what is said aloud.

import { Account } from "./account.js";
import { announce } from "./announcer.js";
import { Arcade } from "./arcade.js";
import { Badge } from "./badge.js";
import { Board } from "./board.js";
import { fairboard } from "./client.js";
import { Once } from "./once.js";
import { Standing } from "./standing.js";
import { explain, number } from "./words.js";

const LOOK_AGAIN = 15_000; // Own rank, when it is below the ten that the server sends.
const TRY_AGAIN = 5_000;
const otherTabs = openChannel("fairboard.results");
const publicBoard = document.documentElement.dataset.publicBoard === "true";

const board = new Board();
const badge = new Badge();
const account = new Account();
const standing = new Standing();
const arcade = new Arcade({ onScore: showResult });
const once = new Once({ onScore: showResult });

let player; // The session's userId, null for nobody; undefined at first, so that the first look always counts.
let me = null;
let fresh = 0; // Until when a frame with fewer points is older news than the answer to a round.
let looking = null;
let live = null;

// A browser that keeps nothing for a site refuses channels too.
function openChannel(name) {
  try {
    return new BroadcastChannel(name);
  } catch {
    return { postMessage() {} };
  }
}

function follow(held, over = false) {
  if ((held?.userId ?? null) === player) return;
  player = held?.userId ?? null;
  me = null;
  live?.close();
  arcade.offer(null); // What the one before was waiting for is over.
  once.offer(null);
  account.show(held);
  standing.show(null);
  board.setMe(held && { userId: held.userId, username: held.username, rank: null, score: 0 });
  if (held) enter();
  else leave();
  if (over) account.say(explain({ code: "SESSION_OVER" }));
}

function enter() {
  watch();
  lookAtMe();
  offerGames();
}

// On a public board nobody has to log in to watch.
function leave() {
  if (publicBoard) watch();
  else board.clear("locked", "The board is live for players", "Log in or play as a guest to see who leads.");
}

function watch() {
  board.clear("loading", "", "");
  live = fairboard.subscribe({ onBoard: showBoard, onState: showState });
}

async function offerGames() {
  const visitor = player;
  try {
    const actions = await fairboard.actions();
    if (visitor !== player) return;
    arcade.offer(actions);
    once.offer(actions, player);
  } catch (problem) {
    complain(problem);
    tryAgain(problem, visitor, offerGames);
  }
}

// A session that is over, or may do nothing, stays so however often it asks.
function tryAgain(problem, visitor, work) {
  if ([401, 403].includes(problem.status)) return;
  const wait = Math.max(TRY_AGAIN, (problem.retryAfter ?? 0) * 1_000) * (1 + Math.random() * 0.5);
  setTimeout(() => visitor === player && work(), wait);
}

function showResult(result, points, from) {
  fresh = Date.now() + 3_000;
  standing.fly(points, from);
  updateMe(result);
  otherTabs.postMessage({ player, result });
}

otherTabs.onmessage = ({ data }) => {
  if (data.player === player) updateMe(data.result);
};

function showBoard(frame) {
  board.show(frame);
  badge.pulse();
  const own = board.entryOf(player);
  if (own && own.score < me?.score && Date.now() < fresh) return;
  if (own) updateMe({ score: own.score, rank: own.rank });
  else if (me?.score) lookSoon();
  showMe();
}

function lookSoon() {
  looking ??= setTimeout(() => {
    looking = null;
    if (player && !document.hidden) lookAtMe();
  }, LOOK_AGAIN * (0.5 + Math.random() * 0.5));
}

async function lookAtMe() {
  const visitor = player;
  try {
    const answer = await fairboard.me();
    if (visitor === player) updateMe(answer);
  } catch (problem) {
    complain(problem);
    if (me === null) tryAgain(problem, visitor, lookAtMe);
  }
}

function updateMe(news) {
  if (me?.rank && news.rank && news.rank !== me.rank) announce(`You are now number ${number(news.rank)}.`, "rank");
  me = { ...me, ...news };
  showMe();
  const held = fairboard.session;
  if (held) board.setMe({ userId: held.userId, username: held.username, score: me.score, rank: me.rank });
}

function showMe() {
  standing.show(me, me?.rank ? board.ahead(me.rank) : null);
}

function complain(problem) {
  if (problem.status === 403) account.say(explain(problem));
}

function showState(told, reason) {
  badge.show(told === "closed" ? "idle" : told);
  board.setStale(told === "reconnecting" || told === "offline");
  if (told === "refused") account.say(explain({ code: reason === "suspended" ? "ACCOUNT_SUSPENDED" : "FORBIDDEN" }));
}

fairboard.onSession(follow);
follow(fairboard.session);
