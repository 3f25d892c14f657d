// Puts the parts together: who is logged in, the live board, the game, and what is said aloud.

import { Account } from "./account.js";
import { accessToken, call, callOpenly } from "./api.js";
import { Board } from "./board.js";
import { Game } from "./game.js";
import { Live } from "./live.js";
import * as session from "./session.js";
import { explain, number } from "./words.js";

const BADGES = {
  idle: "Not connected",
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
  refused: "Refused",
};
const LOCKED = "Log in or play as a guest to see the board.";
const LOOK_AGAIN = 15_000; // Own rank, when it is below the ten that the server sends.
const otherTabs = new BroadcastChannel("fairboard.results");
const byId = (id) => document.getElementById(id);
const publicBoard = document.documentElement.dataset.publicBoard === "true";

const board = new Board();
const account = new Account();
const game = new Game({ onScore: showResult });
const live = new Live({ token: tokenForLive, onBoard: showBoard, onState: showState });

let player = null; // The session's userId, to notice when another player takes over.
let me = null;
let fresh = 0; // Until when a frame with fewer points is older news than the answer to a round.
let looking = null;
let polling = null;

function follow(held) {
  if ((held?.userId ?? null) === player) return;
  player = held?.userId ?? null;
  me = null;
  account.show(held);
  account.showMe(null);
  board.setMe(held && { userId: held.userId, username: held.username, rank: null, score: 0 });
  if (held) enter();
  else leave();
}

function enter() {
  stopPolling();
  board.clear("Fetching the board …");
  live.start();
  lookAtMe();
  offerGame();
}

async function offerGame() {
  const visitor = player;
  try {
    const { actions } = await call("GET", "/api/actions");
    if (visitor === player) game.offer(actions);
  } catch (problem) {
    complain(problem);
    if (problem.status !== 401) setTimeout(() => visitor === player && offerGame(), 5_000);
  }
}

function leave() {
  stopPolling();
  live.stop();
  game.offer(null);
  board.clear(publicBoard ? "Fetching the board …" : LOCKED);
  if (publicBoard) poll();
}

// Without an account there is no socket; a public board is then looked at now and then.
async function poll() {
  polling = setTimeout(poll, 5_000);
  if (document.hidden) return;
  try {
    const fetched = await callOpenly("GET", "/api/leaderboard");
    if (polling !== null) board.show(fetched);
  } catch {
    // The next look may succeed.
  }
}

function stopPolling() {
  clearTimeout(polling);
  polling = null;
}

function showResult(result) {
  fresh = Date.now() + 3_000;
  updateMe(result);
  otherTabs.postMessage({ player, result });
}

otherTabs.onmessage = ({ data }) => {
  if (data.player === player) updateMe(data.result);
};

function showBoard(frame) {
  board.show(frame);
  const own = board.entryOf(player);
  if (own && own.score < me?.score && Date.now() < fresh) return;
  if (own) updateMe({ score: own.score, rank: own.rank });
  else if (me?.score) lookSoon();
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
    const answer = await call("GET", "/api/me");
    if (visitor === player) updateMe(answer);
  } catch (problem) {
    complain(problem);
  }
}

function updateMe(news) {
  if (me?.rank && news.rank && news.rank !== me.rank) announce(`You are now number ${number(news.rank)}.`);
  me = { ...me, ...news };
  account.showMe(me);
  const held = session.current();
  if (held) board.setMe({ userId: held.userId, username: held.username, score: me.score, rank: me.rank });
}

async function tokenForLive(rejected) {
  try {
    return await accessToken(rejected);
  } catch (problem) {
    complain(problem);
    throw problem;
  }
}

function complain(problem) {
  if (problem.code === "SESSION_OVER" || problem.status === 403) account.say(explain(problem));
}

function showState(state, reason) {
  const badge = byId("badge");
  if (badge.dataset.state === state) return;
  const wasLive = badge.dataset.state === "live";
  badge.dataset.state = state;
  byId("badge-text").textContent = BADGES[state];
  badge.title = reason ?? "";
  if (state === "refused") account.say(explain({ code: reason === "suspended" ? "ACCOUNT_SUSPENDED" : "FORBIDDEN" }));
  if (state === "live") announce("The board is live.");
  else if (state === "offline" || (state === "reconnecting" && wasLive)) announce("The board is not live just now.");
}

// Screen readers hear the latest news after a pause, not each step on the way there.
let speaking = null;
let news = "";
function announce(text) {
  news = text;
  speaking ??= setTimeout(() => {
    speaking = null;
    if (byId("announcer").textContent !== news) byId("announcer").textContent = news;
  }, 4_000);
}

session.onChange(follow);
player = undefined; // Neither a player nor nobody: the first call always counts.
follow(session.current());
