/**
 * The timeline: what happened to whom, the newest first, live; what is older is read when it is asked for.
 */

import { titleOf } from "./agents.js";
import { el } from "./dom.js";
import { kindOf, sentence } from "./events.js";
import { Follower, at, page, tail } from "./streams.js";
import { clock, day, number, visible } from "./text.js";

const FIRST = 200; // events to begin with
const MOST = 2000; // on the page
const SMALL = new Set(["agent:starting"]); // it is followed by agent:started at once
const KINDS = {
  all: () => true,
  ends: (kind) => ["good", "bad", "plain"].includes(kind),
  trouble: (kind) => ["warn", "bad"].includes(kind),
};

export class Timeline {
  constructor(agents) {
    this.agents = agents;
    this.events = []; // the oldest first
    this.first = 0;
    this.kind = "all";
    this.list = el("ol", { class: "events", "aria-label": "Events", tabindex: "0" });
    this.earlier = el(
      "button",
      { type: "button", class: "quiet wide", hidden: true, onclick: () => this.older() },
      "Earlier events",
    );
    this.status = el("span", { class: "count" });
    const kinds = Object.keys(KINDS).map((kind) =>
      el(
        "button",
        {
          type: "button",
          class: "chip",
          "aria-pressed": String(kind === "all"),
          onclick: (event) => this.#choose(kind, event.target),
        },
        kind,
      ),
    );
    this.element = el(
      "section",
      { class: "timeline", "aria-label": "Timeline" },
      el(
        "div",
        { class: "tools" },
        el("h2", {}, "Timeline"),
        this.status,
        el("div", { class: "chips", role: "group", "aria-label": "Kinds of events" }, kinds),
      ),
      el("div", { class: "scroll" }, this.list, this.earlier),
    );
  }

  /** Read the latest events, and follow. */
  async open() {
    if (this.follower) return;
    this.close();
    const controller = (this.controller = new AbortController());
    try {
      const n = await tail("registry", controller.signal);
      this.first = Math.max(0, n - FIRST);
    } catch (error) {
      if (error.name === "AbortError" || error.status === 403) return;
      this.first = 0;
    }
    if (controller.signal.aborted) return;
    this.events = [];
    this.follower = new Follower("registry", {
      offset: at(this.first),
      onBatch: (records) => this.#take(records),
      onReset: () => (this.events = []),
    });
  }

  close() {
    this.follower?.stop();
    this.follower = null;
    this.controller?.abort();
  }

  async older() {
    const from = Math.max(0, this.first - FIRST);
    const got = [];
    for (let n = from; n < this.first;) {
      const { records, next } = await page("registry", n, this.controller.signal);
      if (next <= n) break;
      got.push(...records.filter((record) => record.offset < this.first));
      n = next;
    }
    this.first = from;
    this.events = [...got, ...this.events];
    this.draw();
  }

  #take(records) {
    const known = this.events.at(-1)?.offset ?? -1;
    this.events.push(...records.filter((record) => record.offset > known));
    if (this.events.length > MOST) {
      this.events = this.events.slice(-MOST);
      this.first = this.events[0].offset;
    }
    this.draw();
  }

  #choose(kind, chip) {
    this.kind = kind;
    for (const other of chip.parentElement.children) other.setAttribute("aria-pressed", String(other === chip));
    this.draw();
  }

  draw() {
    if (this.frame || !this.follower) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const wanted = this.events.filter((event) => !SMALL.has(event.type) && KINDS[this.kind](kindOf(event))).reverse();
    this.earlier.hidden = this.first === 0;
    this.status.textContent = wanted.length ? number(wanted.length) : "";
    const rows = [];
    let last = day(new Date());
    for (const event of wanted) {
      const today = day(event.time);
      if (today !== last) rows.push(this.#kept(`day ${today}`, () => el("li", { class: "day" }, today)));
      last = today;
      const name = this.#nameOf(event);
      rows.push(this.#kept(`${event.position} ${name}`, () => this.#row(event, name)));
    }
    if (!rows.length) rows.push(el("li", { class: "empty" }, "Nothing has happened yet"));
    this.rows = this.made;
    this.made = new Map();
    reconcile(this.list, rows);
  }

  rows = new Map();
  made = new Map();

  #kept(key, make) {
    const row = this.rows.get(key) ?? make();
    this.made.set(key, row);
    return row;
  }

  /** An agent's name, once it is known. */
  #nameOf(event) {
    const agent = this.agents.byId.get(event.agent);
    return agent ? titleOf(agent) : visible(event.agent ?? "");
  }

  #row(event, name) {
    const who = event.agent
      ? el("a", { href: `#/agents/${encodeURIComponent(event.agent)}` }, el("bdi", {}, name))
      : null;
    return el(
      "li",
      { "data-kind": kindOf(event) },
      el("time", { datetime: event.time, title: event.time }, clock(event.time)),
      el("span", { class: "dot", "aria-hidden": "true" }),
      el("span", { class: "what" }, who, who ? " " : "", el("bdi", {}, sentence(event))),
    );
  }
}

/** Have `rows` as the children of a list; those that stay are not touched. */
function reconcile(list, rows) {
  const wanted = new Set(rows);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  let place = list.firstChild;
  for (const row of rows) {
    if (row === place) place = place.nextSibling;
    else list.insertBefore(row, place);
  }
}
