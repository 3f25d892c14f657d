// Elements: found and made, always from text and never from markup.

export const byId = (id) => document.getElementById(id);

/** `make("p", "note", "text or", child, ...)` */
export function make(tag, className = "", ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

/** A button that does not submit anything. */
export function makeButton(className, ...content) {
  const button = make("button", className, ...content);
  button.type = "button";
  return button;
}

/** The first sign of a name as people see it, which may be several characters. */
export function initial(name) {
  const [first] = Intl.Segmenter ? new Intl.Segmenter().segment(name) : [...name].map((segment) => ({ segment }));
  return (first?.segment ?? "").toLocaleUpperCase();
}

/** What only screen readers hear, in place of a picture of it. */
export const spoken = (text = "") => make("span", "unseen", text);

/** What only eyes see. */
export function seen(element) {
  element.setAttribute("aria-hidden", "true");
  return element;
}
