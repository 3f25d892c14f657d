/** Who is logged in, and until when. Kept by a {@link SessionStore}. */
export interface Session {
  accessToken: string;
  refreshToken: string;
  /** When the access token ends, in milliseconds of this machine's clock. */
  expiresAt: number;
  /** From when on it is renewed, some time before it ends. */
  renewAt: number;
  userId: number;
  username: string;
  role: "player" | "analyst" | "admin";
}

/** Where a session is kept between two visits. Read before each use, so that several tabs may share one. */
export interface SessionStore {
  load(): Session | null;
  save(session: Session | null): void;
  /** Call `changed` when somebody else, such as another tab, has saved. */
  watch?(changed: () => void): void;
  /** Run `work` while nobody else who shares the store runs any: a refresh token works only once. */
  exclusively?<T>(work: () => Promise<T>): Promise<T>;
}

export interface Account { userId: number; username: string }
export interface Me extends Account { role: Session["role"]; status: "active" | "flagged"; score: number; rank: number | null }
export interface Action {
  actionType: string;
  title: string;
  kind: "timed" | "once";
  points: number;
  /** The shortest and longest time that counts, in milliseconds; null for `once`. */
  minMs: number | null;
  maxMs: number | null;
}
export interface Ticket { actionToken: string; expiresAt: string }
export interface Result { newScore: number; scoreIncr: number; rank: number }
export interface Entry { rank: number; userId: number; username: string; score: number }
export interface Board { leaderboard: Entry[]; updatedAt: string; version: number }
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Data = { [key: string]: Json };

/** A refusal, as `application/problem+json`, or what stands for it when nothing was answered. */
export class FairboardError extends Error {
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** What to switch on, such as `RATE_LIMIT_EXCEEDED`; `NETWORK` when there was no answer, `SESSION_OVER` when a login is needed,
   * `NO_WEB_CRYPTO` where {@link canProve} is false. */
  readonly code: string;
  readonly detail: string;
  readonly errors: Record<string, string> | null;
  /** Whole seconds to wait before another try, or null. */
  readonly retryAfter: number | null;
}

export interface Options {
  /** The server, such as `https://board.example.org`. The page's own by default. */
  url?: string;
  /** In memory by default: the session then ends with the page. */
  store?: SessionStore;
  /** Asked when the session of `username` has ended on the server; null means that the player has to log in. */
  credentials?: (username: string) => { username: string; password: string } | null;
  /** Stand-ins, for runtimes that lack the globals. */
  fetch?: typeof fetch;
  WebSocket?: typeof WebSocket;
}

export type State = "connecting" | "live" | "reconnecting" | "offline" | "refused" | "closed";

export interface Watcher {
  /** Each board that is newer than the one before. */
  onBoard(board: Board): void;
  /** `reason` is `suspended`, `forbidden` or `session-over` with `refused`, else empty. */
  onState?(state: State, reason: string): void;
}

export interface Subscription {
  readonly state: State;
  /** The newest board that was seen, or null. */
  readonly board: Board | null;
  /** Try now rather than later, or see whether the server still answers. */
  hurry(): void;
  close(): void;
}

/** One player of one server. */
export class Fairboard {
  constructor(options?: Options);
  readonly session: Session | null;
  /** Call `listener` after each login, renewal and logout, whichever tab made it; `over` means that the server has ended
   * the session, so that the player has to log in again. Answers how to stop that. */
  onSession(listener: (session: Session | null, over: boolean) => void): () => void;
  /** Makes an account. Nobody is logged in by it. */
  register(username: string, password: string): Promise<Account>;
  login(username: string, password: string): Promise<Session>;
  /** Ends the session here in any case; false if the server could not be told. */
  logout(): Promise<boolean>;
  me(): Promise<Me>;
  actions(): Promise<Action[]>;
  requestAction(actionType: string): Promise<Ticket>;
  /** Spend a token. Computes the proof. `completionTime` is in milliseconds and is rounded. */
  complete(ticket: Ticket | string, completionTime: number, data?: Data): Promise<Result>;
  /** Complete an action that counts once, without a token. */
  completeOnce(actionType: string, data?: Data): Promise<Result>;
  /** The first `limit` players, 1 to 100. Without a session it works where the board is public. */
  leaderboard(limit?: number): Promise<Board>;
  /** Any call of the API as this player, for those that have no method here: a new password, the review. */
  call(method: string, path: string, body?: Json): Promise<any>;
  /** Watch the board live until `close`. Comes back by itself, with backoff and jitter, whenever the connection is lost,
   * and follows whoever logs in or out. */
  subscribe(watcher: Watcher): Subscription;
}

/** A store in `localStorage`, shared by all tabs; in memory where the browser refuses. */
export function browserStore(key?: string): SessionStore;

/** Sorted keys, no white space, non-ASCII as it is: what the proof signs. */
export function canonicalJson(value: Json): string;
/** Lower-case hex of HMAC-SHA256(action token, `<milliseconds>.` + canonical JSON of data). */
export function checksum(actionToken: string, milliseconds: number, data?: Data): Promise<string>;
/** Whether this runtime has Web Crypto: browsers lend it to https, localhost and 127.0.0.1 only. */
export function canProve(): boolean;
