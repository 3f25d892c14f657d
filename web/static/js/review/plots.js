// The four pictures of a case: times, gaps beside honest people's, hours, and accounts that may be related.

import { number } from "../words.js";
import { draw, label, plot, scale, title } from "./svg.js";
import { linksPlot } from "./links.js";
import { counted, moment } from "./words.js";

const LEFT = 46;
const BELOW = 26;
const SECONDS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300];
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const spell = (seconds) => (seconds >= 60 ? `${number(seconds / 60)} min` : `${number(Number(seconds.toPrecision(3)))} s`);

function frame(width, height, ...children) {
  return draw("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...children);
}

// ---- Completion times over time

function timesTicks(first, last, width) {
  const count = Math.max(2, Math.min(6, Math.floor(width / 130)));
  const form = last - first > 86_400_000 ? day : clock;
  const ticks = Array.from({ length: count }, (_, index) => first + ((last - first) * index) / (count - 1));
  return ticks.map((at) => [at, form.format(at)]);
}

function drawTimes(times, width) {
  const height = 230;
  const seconds = times.map((one) => Math.max(one.ms, 1) / 1000);
  const [low, high] = [Math.min(...seconds) * 0.8, Math.max(...seconds) * 1.25];
  const moments = times.map((one) => Date.parse(one.at));
  const [first, last] = [moments[0], moments.at(-1)];
  const x = scale([first, last], [LEFT + 8, width - 10]);
  const y = scale([Math.log(low), Math.log(high)], [height - BELOW - 6, 8]);
  const svg = frame(width, height);
  for (const tick of SECONDS.filter((one) => one >= low && one <= high)) {
    const at = y(Math.log(tick));
    svg.append(draw("line", { class: "grid", x1: LEFT, x2: width, y1: at, y2: at }));
    svg.append(label(spell(tick), { class: "axis", x: LEFT - 8, y: at + 4, "text-anchor": "end" }));
  }
  timesTicks(first, last, width).forEach(([at, text], index, all) => {
    const anchor = index === 0 ? "start" : index === all.length - 1 ? "end" : "middle";
    const place = index === 0 ? LEFT : index === all.length - 1 ? width : x(at);
    svg.append(label(text, { class: "axis", x: place, y: height - 6, "text-anchor": anchor }));
  });
  const dots = times.map((one, index) => dot(one, x(moments[index]), y(Math.log(seconds[index]))));
  svg.append(...dots.filter((_, index) => !times[index].named), ...dots.filter((_, index) => times[index].named));
  return svg;
}

// What the evidence names is another shape, not only another colour.
function dot(one, x, y) {
  const text = title(`${one.actionType}, ${spell(one.ms / 1000)}, ${moment(one.at)}, entry ${one.entry}`);
  if (!one.named) return draw("circle", { class: "dot-plain", cx: x, cy: y, r: 2.6 }, text);
  const path = `M${x} ${y - 4.4}L${x + 4.4} ${y}L${x} ${y + 4.4}L${x - 4.4} ${y}Z`;
  return draw("path", { class: "dot-named", d: path }, text);
}

function timesPlot({ times }) {
  const named = times.filter((one) => one.named).length;
  const seconds = times.map((one) => one.ms / 1000).toSorted((one, other) => one - other);
  const middle = seconds[Math.floor(seconds.length / 2)];
  const words = `${counted(times.length, "completion")}, half of them under ${spell(middle)}; ${number(named)} named by the evidence. The axis is UTC.`;
  const legend = [["plain", "completion"], ["named", "named by the evidence"]];
  return plot({ className: "plot-wide", name: "Completion times", words, legend, drawIn: (width) => drawTimes(times, width) });
}

// ---- Gaps beside honest people's

const shares = (counts) => {
  const total = counts.reduce((sum, count) => sum + count, 0) || 1;
  return counts.map((count) => count / total);
};

function drawGaps(gaps, width) {
  const height = 230;
  const [own, honest] = [shares(gaps.player), shares(gaps.honest)];
  const most = Math.max(...own, ...honest) * 1.08;
  const x = scale([0, own.length], [LEFT, width - 6]);
  const y = scale([0, most], [height - BELOW - 4, 8]);
  const svg = frame(width, height);
  for (const share of [0, 0.25, 0.5, 0.75, 1].filter((one) => one <= most)) {
    svg.append(draw("line", { class: "grid", x1: LEFT, x2: width, y1: y(share), y2: y(share) }));
    svg.append(label(`${share * 100}%`, { class: "axis", x: LEFT - 8, y: y(share) + 4, "text-anchor": "end" }));
  }
  own.forEach((share, index) => {
    const size = { x: x(index) + 0.75, width: x(1) - x(0) - 1.5, y: y(share), height: y(0) - y(share) };
    svg.append(draw("rect", { class: "bar-own", rx: 2, ...size }, title(`${(share * 100).toFixed(1)}% of this player's gaps`)));
  });
  svg.append(draw("path", { class: "line-honest", d: steps(honest, x, y) }));
  for (const [bin, text] of [[0, "¼×"], [8, "½×"], [16, "median"], [24, "2×"], [32, "4×"]]) {
    svg.append(label(text, { class: "axis", x: x(bin + 0.5), y: height - 6, "text-anchor": "middle" }));
  }
  return svg;
}

const steps = (values, x, y) =>
  `M${x(0)} ${y(0)}${values.map((value, index) => `V${y(value)}H${x(index + 1)}`).join("")}V${y(0)}`;

function gapsPlot({ gaps }) {
  const [own, honest] = [shares(gaps.player), shares(gaps.honest)];
  const near = (values) => Math.round(100 * (values[15] + values[16] + values[17]));
  const words = gaps.medianSeconds === null
    ? "No two completions follow each other yet."
    : `Half of ${counted(gaps.number, "gap")} are under ${spell(gaps.medianSeconds)}. ${near(own)}% lie within a seventh of that; of a real person's, ${near(honest)}%.`;
  const legend = [["own", "this player"], ["honest", "a real person"]];
  return plot({ name: "Gaps between completions", words, legend, drawIn: (width) => drawGaps(gaps, width) });
}

// ---- Hours

function drawHours(days, width) {
  const [left, top, row] = [46, 18, 15];
  const height = top + days.length * row + 2;
  const most = Math.max(1, ...days.flatMap((one) => one.hours));
  const x = scale([0, 24], [left, width]);
  const svg = frame(width, height);
  for (const hour of [0, 6, 12, 18]) svg.append(label(`${hour} h`, { class: "axis", x: x(hour), y: 11 }));
  days.forEach(({ day: date, hours }, index) => {
    const y = top + index * row;
    if (index % 2 === 1) svg.append(label(day.format(Date.parse(date)), { class: "axis", x: left - 8, y: y + 11, "text-anchor": "end" }));
    hours.forEach((count, hour) => {
      const level = count === 0 ? 0 : Math.max(1, Math.ceil((4 * count) / most));
      const size = { x: x(hour) + 0.75, y, width: x(1) - x(0) - 1.5, height: row - 1.5, rx: 2.5 };
      const told = title(`${day.format(Date.parse(date))}, ${hour} to ${hour + 1} h: ${counted(count, "completion")}`);
      svg.append(draw("rect", { class: `heat heat-${level}`, ...size }, told));
    });
  });
  return svg;
}

function hoursPlot({ days }) {
  const active = days.map(({ hours }) => hours.filter((count) => count > 0).length);
  const busy = active.filter((hours) => hours > 0).length;
  const words = `Active on ${busy} of ${days.length} days, in ${counted(Math.max(...active), "hour")} of the longest one. Hours are UTC.`;
  return plot({ name: "Hours of activity", words, drawIn: (width) => drawHours(days, width) });
}

/** Show the pictures of a case; `onOpen` in a link goes by its address. */
export function showPlots(place, { plots, username }) {
  const made = [];
  if (plots.times.length) made.push(timesPlot(plots), gapsPlot(plots));
  place.replaceChildren(...made, hoursPlot(plots), linksPlot(plots.links, username));
}
