/**
 * The last line of output of the agents on screen: asked for together, once a second at most, only while they are seen.
 *
 * No request waits for them at the server, though it could: a browser has six connections for all its tabs.
 */

import { strip } from "./ansi.js";
import { LIVE } from "./agents.js";
import { get } from "./session.js";
import { visible } from "./text.js";

const EVERY = 1000; // ms
const MOST = 100; // agents in one request

export class LastLines {
  #lines = new Map(); // id → {text, of}: `of` is what the agent was like then
  #isBusy = false;
  #pause = 0; // rounds to leave out, after a failure

  constructor(onChange) {
    this.onChange = onChange;
    this.shown = []; // the agents on screen
    setInterval(() => this.#look(), EVERY);
  }

  of(id) {
    return this.#lines.get(id) ?? null;
  }

  async #look() {
    if (document.hidden || this.#isBusy || this.#pause-- > 0) return;
    this.#pause = 0;
    const wanted = this.shown.filter((agent) => LIVE.has(agent.state) || this.of(agent.id)?.of !== stamp(agent));
    if (!wanted.length) return;
    this.#isBusy = true;
    try {
      await this.#ask(wanted.slice(0, MOST));
    } catch {
      this.#pause = 5; // the link says what is wrong
    } finally {
      this.#isBusy = false;
    }
  }

  async #ask(wanted) {
    const { last } = await get(`/v1/last?${new URLSearchParams(wanted.map((agent) => ["agent", agent.id]))}`);
    if (this.#lines.size > 5000) this.#lines.clear();
    for (const agent of wanted) {
      this.#lines.set(agent.id, { text: visible(strip(last[agent.id]?.text ?? "").trim()), of: stamp(agent) });
    }
    this.onChange();
  }
}

function stamp(agent) {
  return `${agent.run} ${agent.state} ${agent.ended_at}`;
}
