// The seeds' design: Express for HTTP, Socket.IO for the live board, its Redis adapter for what other processes emit.
// Set as Socket.IO's own pages on performance advise: WebSocket only, no compression (the default), bufferutil, the
// request of the handshake not kept. Prints its port when it listens.
import { createServer } from "node:http";

import { createAdapter } from "@socket.io/redis-adapter";
import express from "express";
import jwt from "jsonwebtoken";
import { createClient } from "redis";
import { Server } from "socket.io";

const { BENCH_REDIS_URL, BENCH_JWT_SECRET, BENCH_BOARD } = process.env;
const ROOM = "leaderboard";

const publisher = createClient({ url: BENCH_REDIS_URL });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const app = express();
app.disable("x-powered-by");
app.get("/healthz", (request, response) => response.json({ status: "ok" }));

const server = createServer(app);
const io = new Server(server, {
  adapter: createAdapter(publisher, subscriber),
  transports: ["websocket"],
  serveClient: false,
});
io.engine.on("connection", (socket) => {
  socket.request = null;
});

io.use((socket, next) => {
  jwt.verify(socket.handshake.auth.token, BENCH_JWT_SECRET, { algorithms: ["HS256"] }, (error, claims) => {
    if (!error) socket.data.userId = claims.sub;
    next(error ?? undefined);
  });
});

const initial = JSON.parse(BENCH_BOARD);
io.on("connection", (socket) => {
  socket.on("join", () => {
    socket.join(ROOM);
    socket.emit("leaderboard:initial", initial);
  });
});

server.listen({ host: "127.0.0.1", port: 0, backlog: 2048 }, () => console.log(JSON.stringify({ port: server.address().port })));
