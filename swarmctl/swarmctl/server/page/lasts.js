/**
 * The last line of output of the agents on screen: asked for together, once a second at most, only while they are seen.
 */

import { strip } from "./ansi.js";
import { LIVE } from "./agents.js";
import { agentPath, get, request } from "./session.js";
import { visible } from "./text.js";

const EVERY = 1000;
const MOST = 60;

export class LastLines {
  #lines = new Map(); // id → {text, stream, of}: `of` is what the agent was like then
  #isTogether = true;
  #isBusy = false;

  constructor(onChange) {
    this.onChange = onChange;
    this.shown = []; // the agents on screen
    setInterval(() => this.#look(), EVERY);
  }

  of(id) {
    return this.#lines.get(id) ?? null;
  }

  async #look() {
    if (document.hidden || this.#isBusy) return;
    const wanted = this.shown
      .filter((agent) => LIVE.has(agent.state) || this.#lines.get(agent.id)?.of !== stamp(agent))
      .slice(0, MOST);
    if (!wanted.length) return;
    this.#isBusy = true;
    try {
      await (this.#isTogether ? this.#together(wanted) : this.#each(wanted));
    } catch (error) {
      if (this.#isTogether && [404, 405].includes(error.status)) this.#isTogether = false;
    } finally {
      this.#isBusy = false;
    }
  }

  async #together(wanted) {
    const query = new URLSearchParams(wanted.map((agent) => ["agent", agent.id]));
    const { last } = await get(`/v1/last?${query}`);
    for (const agent of wanted) this.#keep(agent, last[agent.id]?.text ?? "", last[agent.id]?.stream ?? "stdout");
    this.onChange();
  }

  async #each(wanted) {
    for (const agent of wanted.slice(0, 20)) {
      const response = await request(`${agentPath(agent.id, "output")}?lines=1`).catch(() => null);
      if (response) this.#keep(agent, (await response.text()).slice(0, 4000), "stdout");
    }
    this.onChange();
  }

  #keep(agent, text, stream) {
    const line =
      strip(text)
        .split(/[\r\n]/)
        .findLast((part) => part.trim()) ?? "";
    if (this.#lines.size > 5000) this.#lines.clear();
    this.#lines.set(agent.id, { text: visible(line.trim().slice(0, 400)), stream, of: stamp(agent) });
  }
}

function stamp(agent) {
  return `${agent.run} ${agent.state} ${agent.ended_at}`;
}
