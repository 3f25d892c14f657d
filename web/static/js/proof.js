// The proof that binds a claimed time to its action token. No secret: it only shows that both travelled together.

/** Sorted keys, no white space, non-ASCII as it is. Keys sort by code point, as the server sorts them. */
export function canonicalJson(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const keys = Object.keys(value).sort(byCodePoint);
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(",")}}`;
}

function byCodePoint(left, right) {
  const [a, b] = [[...left], [...right]];
  const at = a.findIndex((character, index) => character !== b[index]);
  if (at === -1) return a.length - b.length;
  return at < b.length ? a[at].codePointAt(0) - b[at].codePointAt(0) : 1;
}

/** Lower-case hex of HMAC-SHA256(action token, "<milliseconds>." + canonical JSON of data). */
export async function checksum(actionToken, milliseconds, data = {}) {
  const bytes = (text) => new TextEncoder().encode(text);
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(actionToken), hmac, false, ["sign"]);
  const signed = await crypto.subtle.sign("HMAC", key, bytes(`${milliseconds}.${canonicalJson(data)}`));
  return Array.from(new Uint8Array(signed), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Browsers lend Web Crypto to secure pages only: https, localhost and 127.0.0.1. */
export const canProve = () => Boolean(globalThis.crypto?.subtle);
