// What the page says: numbers, places, and every refusal in words that a player understands.

const plain = new Intl.NumberFormat("en");
export const number = (value) => plain.format(value);
export const seconds = (ms) => `${(ms / 1000).toFixed(1)} seconds`;

/** A wait as people would say it: whole seconds up to a minute and a half, then whole minutes. */
export function duration(wait) {
  const [count, unit] = wait > 90 ? [Math.ceil(wait / 60), "minute"] : [wait, "second"];
  return `${number(count)} ${unit}${count === 1 ? "" : "s"}`;
}

const REFUSALS = {
  NETWORK: "The server cannot be reached. Check your connection and try again.",
  NO_WEB_CRYPTO:
    "You can watch here, but not play: this page has to be opened over https, or at localhost. " +
    "Browsers lend the tool that signs a round to secure pages only.",
  SESSION_OVER: "Your session has ended. Please log in again.",
  VALIDATION_ERROR: "Something in that form is not right.",
  INVALID_CREDENTIALS: "That name and password do not belong together.",
  GUEST_REFUSED:
    "The password that this browser keeps for your guest account is not right any more. Log in with the one you gave " +
    "it elsewhere, or forget this guest and play as a new one.",
  USERNAME_TAKEN: "That name is taken. Please choose another.",
  UNAUTHORIZED: "Please log in first.",
  INVALID_TOKEN: "Your session is no longer valid. Please log in again.",
  TOKEN_EXPIRED: "Your session has run out. Please log in again.",
  FORBIDDEN: "Your account may not do that.",
  ACCOUNT_SUSPENDED: "This account is suspended and cannot earn points.",
  ACTION_NOT_FOUND: "This game is not on offer here any more.",
  ACTION_KIND_MISMATCH: "This game cannot be played that way.",
  ACTION_DATA_INVALID: "The server did not accept the answer.",
  ACTION_ALREADY_COMPLETED: "You have done this one already. It counts once.",
  ACTION_TOKEN_INVALID: "The server does not know this round, so it does not count. Start a new one.",
  ACTION_TOKEN_EXPIRED: "This round came in too late: it has to reach the server within five minutes. Start a new one.",
  TOKEN_ALREADY_USED: "This round was spent already: each one counts once. Start a new one.",
  SUSPICIOUS_ACTIVITY: "Too fast: the server does not believe that time. The round does not count, and was noted.",
  RATE_LIMIT_EXCEEDED: "Slow down: that was a lot in a short time.",
  CASE_CHANGED: "Meanwhile somebody has decided this case, or there is new evidence. Look at it again.",
  PAYLOAD_TOO_LARGE: "That was too long for the server.",
  UNSUPPORTED_MEDIA_TYPE: "The server did not understand this page. Reload it.",
  METHOD_NOT_ALLOWED: "The server did not understand this page. Reload it.",
  NOT_FOUND: "The server does not have that. Reload the page.",
  INTERNAL_ERROR: "Something went wrong on the server. Nothing was changed.",
  SERVICE_UNAVAILABLE: "The server cannot take this just now.",
};

const FIELDS = {
  username: "Player name",
  password: "Password",
  currentPassword: "Current password",
  newPassword: "New password",
};

/** A refusal as one or two sentences. */
export function explain(problem) {
  const said = REFUSALS[problem.code] ?? (problem.detail || "That did not work. Please try again.");
  if (problem.code !== "VALIDATION_ERROR") return said;
  const fields = fieldMessages(problem);
  return fields.length ? fields.join(" ") : problem.detail || said;
}

// `errors` maps the name of a field to what is wrong with it.
function fieldMessages(problem) {
  return Object.entries(problem.errors ?? {}).map(([field, message]) => {
    const goesOn = /^(must|is|has|should) /.test(message);
    return `${FIELDS[field] ?? field}${goesOn ? " " : ": "}${message.replace(/\.$/, "")}.`;
  });
}

export const canWait = (problem) => problem.retryAfter !== null || ["NETWORK", "INTERNAL_ERROR"].includes(problem.code);

/** Resolves after so many seconds by the clock, or when the signal aborts; `onTick(secondsLeft)` is called at each. */
export function countDown(seconds, onTick, signal = null) {
  const end = Date.now() + seconds * 1000;
  return new Promise((done) => {
    signal?.addEventListener("abort", done);
    const tick = () => {
      const left = Math.ceil((end - Date.now()) / 1000);
      if (left <= 0 || signal?.aborted) return done();
      onTick(left);
      return setTimeout(tick, end - Date.now() - (left - 1) * 1000);
    };
    tick();
  });
}
