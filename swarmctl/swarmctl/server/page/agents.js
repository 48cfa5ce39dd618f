/**
 * All agents as the server tells them: the State Protocol's changes, folded; filtered, sorted, counted. Pure.
 */

import { commandLine, visible } from "./text.js";

export const LIVE = new Set(["spawned", "starting", "running", "waiting"]);
export const STATES = ["running", "waiting", "starting", "spawned", "failed", "lost", "cancelled", "completed"];
const ORDER = new Map([...["lost?", "silent"], ...STATES].map((state, i) => [state, i]));

/** What is to be seen of an agent: its state, or what the machine shows beyond it. */
export function statusOf(agent) {
  if (agent.status) return agent.status;
  return agent.silent_since && agent.state === "running" ? "silent" : agent.state;
}

export function titleOf(agent) {
  return visible(agent.name || agent.id);
}

/** Whether an agent does nothing until somebody answers what it asks. */
export function asks(agent) {
  return agent.state === "waiting" && agent.waiting_for === "approval";
}

/** How an agent ended, its signal or exit status; of one that waits, what for; else nothing. */
export function endingOf(agent) {
  if (agent.state === "waiting" && agent.waiting_for) return `for ${visible(agent.waiting_for)}`;
  if (!agent.ended_at) return "";
  return agent.signal ? visible(agent.signal) : agent.exit_code === null ? "exit ?" : `exit ${agent.exit_code}`;
}

/** Seconds that an agent has lived, or did. */
export function ageOf(agent, now) {
  return ((agent.ended_at ? Date.parse(agent.ended_at) : now) - Date.parse(agent.created_at)) / 1000;
}

/** How many tokens an agent has used, where that is known; null where it is not. */
export function tokensOf(agent) {
  const known = agent.tokens ?? null;
  if (typeof known === "number") return known;
  if (known === null || typeof known !== "object") return null;
  return Object.values(known).reduce((sum, part) => sum + (typeof part === "number" ? part : 0), 0);
}

export class Agents {
  constructor() {
    this.byId = new Map();
    this.isStale = false;
    this.isWhole = false;
  }

  /** The rows may be another log's: what comes next replaces all of them. */
  reset() {
    this.isStale = true;
  }

  /** Apply a batch of change messages. */
  apply(messages) {
    if (this.isStale && messages.length) {
      this.byId.clear();
      this.isStale = false;
    }
    for (const { type, key, value, headers } of messages) {
      if (headers?.control === "reset") this.byId.clear();
      if (type !== "agent") continue;
      if (headers.operation === "delete") this.byId.delete(key);
      else this.byId.set(key, indexed(value));
    }
  }

  counts() {
    const counts = new Map();
    for (const agent of this.byId.values()) counts.set(statusOf(agent), (counts.get(statusOf(agent)) ?? 0) + 1);
    return counts;
  }

  /** Those that are asked for: {text, states: Set, sort}. */
  chosen({ text, states, sort }) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [...this.byId.values()].filter(
      (agent) =>
        (!states.size || states.has(statusOf(agent)) || (states.has("live") && LIVE.has(agent.state))) &&
        words.every((word) => agent.found.includes(word)),
    );
    return found.sort(SORTS[sort] ?? SORTS.newest);
  }
}

/** The agent with the text in which it is searched. */
function indexed(agent) {
  const labels = Object.entries(agent.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  const found = [agent.id, agent.name ?? "", commandLine(agent.command), ...labels].join("\n").toLowerCase();
  return Object.defineProperty({ ...agent }, "found", { value: found });
}

const newest = (a, b) => (a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : a.id < b.id ? -1 : 1);
export const SORTS = {
  newest,
  oldest: (a, b) => -newest(a, b),
  name: (a, b) => titleOf(a).localeCompare(titleOf(b)) || newest(a, b),
  state: (a, b) => (ORDER.get(statusOf(a)) ?? 99) - (ORDER.get(statusOf(b)) ?? 99) || newest(a, b),
  active: (a, b) =>
    (b.ended_at ?? "~") < (a.ended_at ?? "~") ? -1 : (b.ended_at ?? "~") > (a.ended_at ?? "~") ? 1 : newest(a, b),
};
