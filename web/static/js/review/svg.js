// Drawing: elements of SVG, scales, and a figure that is drawn anew when its room changes.

import { make } from "../dom.js";

const NAMESPACE = "http://www.w3.org/2000/svg";

/** `draw("rect", { x: 1, class: "bar" }, child, ...)` */
export function draw(tag, attributes = {}, ...children) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** What the pointer is told of a mark. */
export const title = (text) => draw("title", {}, text);
export const label = (text, attributes) => draw("text", attributes, text);

/** From one range to another, in a straight line. */
export function scale([from, to], [low, high]) {
  const factor = (high - low) / (to - from || 1);
  return (value) => low + (value - from) * factor;
}

const watcher = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const width = Math.round(contentRect.width);
    if (width > 0 && width !== target.drawnWidth) {
      target.drawnWidth = width;
      target.replaceChildren(target.drawIn(width));
    }
  }
});

/** A figure with its title, what is seen in it in words, and a drawing that `drawIn(width)` makes. */
export function plot({ className = "", name, words, legend = [], drawIn }) {
  const canvas = make("div", "canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${name}. ${words}`);
  canvas.drawIn = drawIn;
  watcher.observe(canvas);
  const key = make("p", "legend", ...legend.map(([kind, text]) => make("span", `key key-${kind}`, text)));
  const caption = make("figcaption", "", make("h3", "", name), make("p", "muted", words));
  return make("figure", `card plot ${className}`.trim(), caption, canvas, ...(legend.length ? [key] : []));
}
