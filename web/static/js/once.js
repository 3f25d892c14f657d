// What can be done once: one question each. The server knows which of them are done; what this browser saw is kept.

import { fairboard } from "./client.js";
import { byId, make, makeButton } from "./dom.js";
import { countDown, explain, number } from "./words.js";

const DONE = "fairboard.done";
const TASKS = {
  quiz: {
    key: "answer",
    label: "Your answer",
    options: [["postgresql", "PostgreSQL"], ["redis", "Redis"], ["celery", "Celery"], ["flask", "Flask"]],
    wrong: "That is not it. Have another guess.",
  },
  guess: {
    key: "number",
    label: "A whole number from 1 to 100",
    input: { type: "number", min: "1", max: "100", step: "1", inputMode: "numeric" },
    wrong: "It has to be a whole number from 1 to 100.",
  },
  referral: {
    key: "code",
    label: "Code, such as FAIR-2026",
    input: { type: "text", maxLength: 9, autocomplete: "off", autocapitalize: "characters", spellcheck: false },
    wrong: "A code has four capital letters, a hyphen and four digits.",
  },
};

function done() {
  try {
    return JSON.parse(localStorage.getItem(DONE)) ?? {};
  } catch {
    return {};
  }
}

function remember(player, name) {
  const all = done();
  all[player] = [...new Set([...(all[player] ?? []), name])];
  try {
    localStorage.setItem(DONE, JSON.stringify(all));
  } catch {
    // Then the server says it again.
  }
}

function makeChoices({ key, label, options }) {
  const choices = options.map(([value, text]) => {
    const input = make("input");
    Object.assign(input, { type: "radio", name: key, value, required: true });
    return make("label", "option", input, text);
  });
  return make("fieldset", "options", make("legend", "", label), ...choices);
}

function makeField({ key, label, input }, name) {
  const field = make("input");
  Object.assign(field, { id: `once-${name}`, name: key, required: true, ...input });
  const caption = make("label", "", label);
  caption.htmlFor = field.id;
  return make("div", "", caption, field);
}

// A task that is done stays to be seen, but there is nothing in it to open.
function makeSettled(action, text) {
  return make("p", "task done", make("span", "", action.title), make("span", "task-points", text));
}

export class Once {
  #player = null;

  /** `onScore({score, rank}, points, from)` after each that counted. */
  constructor({ onScore }) {
    this.onScore = onScore;
  }

  /** The catalogue for a player, or null when nobody is logged in. */
  offer(actions, player = null) {
    this.#player = player;
    const known = (actions ?? []).filter((action) => action.kind === "once" && action.actionType in TASKS);
    byId("once").hidden = !known.length;
    byId("once-list").replaceChildren(...known.map((action) => this.#makeCard(action)));
  }

  #makeCard(action) {
    if (done()[this.#player]?.includes(action.actionType)) return makeSettled(action, "Done");
    const points = make("span", "task-points", `+${number(action.points)}`);
    const card = make("details", "task", make("summary", "", make("span", "", action.title), points));
    card.name = "once";
    card.dataset.action = action.actionType;
    card.append(this.#makeForm(card, action));
    return card;
  }

  #makeForm(card, action) {
    const task = TASKS[action.actionType];
    const says = make("p", "task-says");
    says.setAttribute("role", "status");
    const send = makeButton("", "Hand in");
    send.type = "submit";
    const field = task.options ? makeChoices(task) : makeField(task, action.actionType);
    const form = make("form", "task-form", field, send, says);
    form.noValidate = true;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(card, action, { form, send, says, task });
    });
    return form;
  }

  async #submit(card, action, { form, send, says, task }) {
    const typed = new FormData(form).get(task.key)?.trim() ?? "";
    const value = task.input?.type === "number" ? Number(typed) : typed;
    says.textContent = typed ? "" : "Please choose or enter something.";
    if (!typed) return;
    send.disabled = true;
    try {
      this.#counted(card, action, await fairboard.completeOnce(action.actionType, { [task.key]: value }));
    } catch (problem) {
      await this.#refused(problem, card, action, { send, says, task });
    } finally {
      send.disabled = false;
    }
  }

  #counted(card, action, { newScore, scoreIncr, rank }) {
    remember(this.#player, action.actionType);
    this.onScore({ score: newScore, rank }, scoreIncr, card.querySelector(".task-points"));
    card.replaceWith(makeSettled(action, "Done"));
  }

  async #refused(problem, card, action, { send, says, task }) {
    says.textContent = problem.code === "ACTION_DATA_INVALID" ? task.wrong : explain(problem);
    if (problem.code === "ACTION_ALREADY_COMPLETED") {
      remember(this.#player, action.actionType);
      card.replaceWith(makeSettled(action, "Done already"));
    }
    if (!problem.retryAfter) return;
    await countDown(problem.retryAfter, (left) => {
      send.textContent = `In ${left} s`;
    });
    send.textContent = "Hand in";
    says.textContent = "";
  }
}
