// What moves, and when nothing may: for those who asked for calm, and on a page that nobody sees.

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const GLIDE = { duration: 650, easing: "cubic-bezier(0.22, 1, 0.36, 1)" };
const FLIGHT = { duration: 850, easing: "cubic-bezier(0.5, 0, 0.3, 1)" };
const LEAVE = { duration: 380, easing: "ease-in", fill: "forwards" };

export const mayMove = () => !calm.matches && !document.hidden;

/** How far an element is from its place just now. */
export function offsetOf(element) {
  const { transform } = getComputedStyle(element);
  return transform === "none" ? 0 : new DOMMatrix(transform).m42;
}

function stop(element) {
  for (const animation of element.getAnimations()) if (animation.id) animation.cancel();
}

function animate(element, id, frames, timing) {
  const animation = element.animate(frames, timing);
  animation.id = id;
  return animation;
}

/** Come from `distance` pixels below, or above, to where the element is now; a glide under way is taken over. */
export function glide(element, distance) {
  stop(element);
  if (Math.abs(distance) < 1) return;
  element.style.zIndex = distance > 0 ? 2 : 1; // Who climbs passes in front.
  animate(element, "glide", [{ transform: `translateY(${distance}px)` }, { transform: "none" }], GLIDE);
}

export function appear(element) {
  const from = { opacity: 0, transform: "translateY(1.25rem)" };
  animate(element, "appear", [from, { opacity: 1, transform: "none" }], GLIDE);
}

/** Sink out of sight from `distance` pixels off the place, and be gone. */
export function leave(element, distance) {
  stop(element);
  const [from, to] = [`translateY(${distance}px)`, `translateY(${distance + 28}px)`];
  const gone = animate(element, "leave", [{ opacity: 1, transform: from }, { opacity: 0, transform: to }], LEAVE);
  gone.finished.then(() => element.remove(), () => element.remove());
}

/** One short movement that says "this changed"; a second one starts over instead of joining in. */
export function nudge(element, frames, duration = 600) {
  if (!mayMove()) return;
  element.getAnimations().forEach((animation) => animation.id === "nudge" && animation.cancel());
  animate(element, "nudge", frames, { duration, easing: "ease-out" });
}

const middle = ({ left, top, width, height }) => [left + width / 2, top + height / 2];

/** A text that flies from one element to another. Resolves on arrival, at once where nothing may move. */
export async function fly(text, from, to) {
  const [begin, end] = [from, to].map((element) => element.getBoundingClientRect());
  if (!mayMove() || !begin.width || !end.width) return;
  const flier = document.createElement("p");
  flier.className = "flier";
  flier.setAttribute("aria-hidden", "true");
  flier.textContent = text;
  document.body.append(flier);
  await flier.animate(arc(middle(begin), middle(end)), FLIGHT).finished;
  flier.remove();
}

function arc([x, y], [toX, toY]) {
  const at = (left, top, scale) => `translate(${left}px, ${top}px) translate(-50%, -50%) scale(${scale})`;
  const crest = at((x + toX) / 2, Math.min(y, toY) - 30, 1.1);
  return [
    { transform: at(x, y, 1), opacity: 1 },
    { transform: crest, opacity: 1, offset: 0.6 },
    { transform: at(toX, toY, 0.5), opacity: 0.2 },
  ];
}
