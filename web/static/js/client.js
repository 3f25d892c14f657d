// The page's one connection to the server, and the guest account that this browser keeps.

import { browserStore, Fairboard } from "../fairboard/fairboard.js";

const GUEST = "fairboard.guest";
let unkept = null; // Stands in where the browser refuses storage.

/** `{username, password}` of the guest account made here, or null. */
export function guest() {
  try {
    return JSON.parse(localStorage.getItem(GUEST));
  } catch {
    return unkept;
  }
}

export function keepGuest(account) {
  unkept = account;
  try {
    if (account) localStorage.setItem(GUEST, JSON.stringify(account));
    else localStorage.removeItem(GUEST);
  } catch {
    // Then the account ends with the page.
  }
}

export const forgetGuest = () => keepGuest(null);

// When a session ends, a guest comes back with the password kept here; anybody else has to log in.
function credentials(username) {
  const kept = guest();
  return kept?.username === username ? kept : null;
}

export const fairboard = new Fairboard({ store: browserStore(), credentials });
