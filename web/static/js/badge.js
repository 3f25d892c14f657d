// How the connection is doing, as the client tells it. It pulses once for each board that came in, and never by itself.

import { announce } from "./announcer.js";
import { byId } from "./dom.js";
import { nudge } from "./motion.js";

const WORDS = {
  idle: "Not connected",
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
  refused: "Refused",
};
const RING = [{ transform: "none", opacity: 0.55 }, { transform: "scale(3.4)", opacity: 0 }];

export class Badge {
  #state = "idle";

  show(state) {
    if (state === this.#state) return;
    const wasLive = this.#state === "live";
    this.#state = state;
    byId("badge").dataset.state = state;
    byId("badge-text").textContent = WORDS[state];
    if (state === "live") announce("The board is live.", "connection");
    else if (state === "offline" || (state === "reconnecting" && wasLive)) {
      announce("The board is not live just now.", "connection");
    }
  }

  pulse() {
    nudge(byId("ring"), RING, 1_100);
  }
}
