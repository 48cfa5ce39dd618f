/**
 * All that agents ask to be allowed, in one place; what is answered meanwhile, here or elsewhere, says so and stays
 * until the place is left.
 */

import { Asked } from "./asked.js";
import { el } from "./dom.js";
import { get } from "./session.js";
import { visible } from "./text.js";

const TYPES = ["requested", "granted", "denied", "voided"].map((what) => `approval:${what}`);
const WAIT = 25; // s that the server waits for what comes next
const AGAIN = 3000; // ms after a failure
const MOST = 200; // that are shown

export class Approvals {
  #shown = new Map(); // id → Asked
  #controller = null;

  constructor(agents, { mayAnswer }) {
    this.agents = agents;
    this.mayAnswer = mayAnswer;
    this.list = el("div", { class: "askings" });
    this.empty = el("div", { class: "empty" }, el("h2", {}, "Nothing is asked"), el("p", {}, "What agents ask to be allowed is here, and is answered here."));
    this.more = el("p", { class: "empty", hidden: true });
    this.element = el(
      "section",
      { class: "approvals", "aria-label": "Approvals" },
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What is asked" }, this.empty, this.list, this.more),
    );
  }

  open() {
    if (this.#controller) return;
    this.#controller = new AbortController();
    this.#follow(this.#controller.signal);
  }

  close() {
    this.#controller?.abort();
    this.#controller = null;
    this.#shown.clear();
    this.list.replaceChildren();
  }

  async #follow(signal) {
    let after = null;
    while (!signal.aborted) {
      try {
        if (after === null) {
          after = (await get("/v1/info", { signal })).position;
          await this.#read(signal);
        }
        const query = [["after", after], ["limit", 100], ["wait", WAIT], ...TYPES.map((type) => ["type", type])];
        const page = await get(`/v1/events?${new URLSearchParams(query)}`, { signal });
        after = page.next;
        if (page.events.length) await this.#read(signal);
      } catch (error) {
        if (signal.aborted) return;
        if ([401, 403].includes(error.status)) return this.#say(error.line);
        after = null;
        await new Promise((resolve) => setTimeout(resolve, AGAIN));
      }
      if (document.hidden && !signal.aborted)
        await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
    }
  }

  #say(text) {
    this.empty.hidden = false;
    this.empty.replaceChildren(el("p", { class: "fault" }, visible(text)));
  }

  async #read(signal) {
    const { approvals, next } = await get(`/v1/approvals?limit=${MOST}`, { signal });
    const pending = new Set(approvals.map((one) => one.id));
    for (const [id, asked] of this.#shown) if (!pending.has(id) && asked.status === "pending") asked.look();
    for (const one of approvals) {
      if (this.#shown.has(one.id)) continue;
      const agent = this.agents.byId.get(one.agent) ?? { id: one.agent, name: one.name };
      const asked = new Asked(one, { mayAnswer: this.mayAnswer, agent });
      this.#shown.set(one.id, asked);
      this.list.append(asked.element);
    }
    this.empty.hidden = this.#shown.size > 0;
    this.more.hidden = next === null;
    this.more.textContent = "There are more; they come as these are answered.";
  }
}
