// Another process that emits: for each version on standard input the board with that version goes to the room, through
// Redis. Prints the moment of each emit on the monotonic clock, in nanoseconds.
import { createInterface } from "node:readline";

import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";

const client = createClient({ url: process.env.BENCH_REDIS_URL });
await client.connect();
const room = new Emitter(client).to("leaderboard");
const board = JSON.parse(process.env.BENCH_BOARD);

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  board.version = Number(line);
  const now = process.hrtime.bigint();
  room.emit("leaderboard:update", board);
  console.log(String(now));
}
process.exit(0);
