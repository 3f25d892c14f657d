// Accounts that share something with the player: a drawing, and the same as a list that leads to their cases.

import { make } from "../dom.js";
import { draw, label, plot, title } from "./svg.js";
import { counted } from "./words.js";

const DRAWN = 12;
const WORDS = { address: "the address", agent: "the browser" };
const shared = (link) => link.shares.map((kind) => WORDS[kind] ?? kind).join(" and ");

function drawLinks(links, username, width) {
  const height = 230;
  const [x, y] = [width / 2, height / 2];
  const svg = draw("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const shown = links.slice(0, DRAWN);
  const places = shown.map((link, index) => {
    const angle = (2 * Math.PI * index) / shown.length - Math.PI / 2;
    return [link, x + Math.cos(angle) * Math.min(width / 2 - 48, 150), y + Math.sin(angle) * (height / 2 - 34)];
  });
  for (const [link, toX, toY] of places) {
    svg.append(draw("line", { class: `edge edge-${link.shares.length}`, x1: x, y1: y, x2: toX, y2: toY }));
  }
  for (const [link, atX, atY] of places) {
    const state = link.accountStatus === "suspended" ? "node-suspended" : link.caseId ? "node-case" : "node-plain";
    svg.append(draw("circle", { class: `node ${state}`, cx: atX, cy: atY, r: 8 }, title(`${link.username}: shares ${shared(link)}`)));
    const beside = atY < y - 1 ? atY - 14 : atY + 22;
    svg.append(label(cut(link.username), { class: "axis", x: atX, y: beside, "text-anchor": "middle" }));
  }
  svg.append(draw("circle", { class: "node node-own", cx: x, cy: y, r: 11 }));
  svg.append(label(cut(username), { class: "axis axis-strong", x, y: y + 26, "text-anchor": "middle" }));
  return svg;
}

const cut = (name) => ([...name].length > 14 ? `${[...name].slice(0, 13).join("")}…` : name);

function makeItem(link) {
  const name = link.caseId ? make("a", "", link.username) : make("span", "", link.username);
  if (link.caseId) name.href = `#${link.caseId}`;
  name.dir = "auto";
  const state = link.accountStatus === "active" ? "" : `, ${link.accountStatus}`;
  return make("li", "", name, make("span", "muted", ` shares ${shared(link)}${state}`));
}

export function linksPlot(links, username) {
  const words = links.length
    ? `${counted(links.length, "account")} with the same address or a rare browser. Sharing one is no offence.`
    : "No other account was seen with the same address or a rare browser.";
  const made = plot({
    className: links.length ? "plot-wide plot-links" : "plot-wide plot-bare",
    name: "Related accounts",
    words,
    drawIn: (width) => (links.length ? drawLinks(links, username, width) : draw("svg", { width, height: 1 })),
  });
  if (links.length) made.append(make("ul", "link-list", ...links.map(makeItem)));
  return made;
}
