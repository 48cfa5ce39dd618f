/**
 * What is known of one agent, as elements: the facts below its name, its runs and events, every field of it.
 */

import { tokensOf } from "./agents.js";
import { el } from "./dom.js";
import { LIFE, kindOf, sentence } from "./events.js";
import { get } from "./session.js";
import { bytes, clock, commandLine, day, number, span, visible } from "./text.js";

const MOST_EVENTS = 5000;

/** All that happened to an agent, its output apart, and what was said in its conversation. */
export async function eventsOf({ id, kind }) {
  const events = [];
  const types = kind ? LIFE.map((type) => ["type", type]) : [];
  for (let after = 0; events.length < MOST_EVENTS;) {
    const got = await get(`/v1/events?${new URLSearchParams([["agent", id], ["after", after], ["limit", 1000], ...types])}`);
    events.push(...got.events);
    if (!got.events.length || got.next === after) break;
    after = got.next;
  }
  return events;
}

/** Its labels, and what else a person wants to see at once. */
export function facts(agent) {
  const labels = Object.entries(agent.labels ?? {}).map(([key, value]) =>
    el("bdi", { class: "label" }, visible(`${key}=${value}`)),
  );
  const tokens = tokensOf(agent);
  const output = agent.output ? (agent.output.stdout ?? 0) + (agent.output.stderr ?? 0) : null;
  const parent =
    agent.parent && el("a", { href: `#/agents/${encodeURIComponent(agent.parent)}` }, visible(agent.parent));
  const known = [
    ["id", agent.id],
    agent.kind && ["kind", visible(agent.kind)],
    agent.model && ["model", visible(agent.model)],
    ["run", agent.run],
    agent.restart !== "no" && ["restart", restarts(agent)],
    tokens !== null && ["tokens", number(tokens)],
    agent.reason && ["reason", visible(agent.reason)],
    output !== null && ["output", bytes(output)],
    agent.cwd && ["in", visible(agent.cwd)],
    parent && ["parent", parent],
  ].filter(Boolean);
  return [...labels, ...known.map(([name, value]) => fact(name, value))];
}

function fact(name, value) {
  return el("span", { class: "fact" }, el("span", { class: "of" }, name), " ", el("bdi", {}, value));
}

function restarts(agent) {
  const parts = [agent.restart];
  if (agent.restarts) parts.push(`${agent.restarts} in a row`);
  if (agent.no_more_restarts) parts.push(`no more: ${visible(agent.no_more_restarts)}`);
  return parts.join(", ");
}

/** Every field that has a value. */
export function detailsPanel(agent) {
  const rows = Object.entries(agent).filter(([, value]) => value !== null && !isEmpty(value));
  const list = rows.map(([key, value]) => [
    el("dt", {}, key.replaceAll("_", " ")),
    el("dd", {}, el("bdi", {}, key === "command" ? commandLine(value) : inWords(value, key === "labels" ? "=" : " "))),
  ]);
  return scrolling("Details", el("dl", {}, list));
}

function isEmpty(value) {
  return typeof value === "object" && !Object.keys(value).length;
}

function inWords(value, between) {
  if (typeof value !== "object") return visible(value);
  const parts = Object.entries(value).map(
    ([key, inner]) => `${key}${between}${typeof inner === "object" ? JSON.stringify(inner) : inner}`,
  );
  return visible(parts.join(" \u00b7 "));
}

function scrolling(label, ...children) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, children);
}

/** Its runs, the latest first, each with its events. */
export function historyPanel(events) {
  return scrolling("Runs and events", ...runsOf(events).reverse().map(runElement));
}

/** Events by the run they are of, the oldest first: [{run, events}]. */
export function runsOf(events) {
  const runs = [];
  for (const event of events) {
    const run = event.data?.run ?? runs.at(-1)?.run ?? 1;
    if (runs.at(-1)?.run !== run) runs.push({ run, events: [] });
    runs.at(-1).events.push(event);
  }
  return runs;
}

function runElement({ run, events }) {
  const end = events.findLast((event) => ["agent:exited", "agent:lost", "agent:start_failed"].includes(event.type));
  const from = events[0].time;
  const took = end ? span((Date.parse(end.time) - Date.parse(from)) / 1000) : "";
  const rows = events.map((event) =>
    el(
      "li",
      { "data-kind": kindOf(event) },
      el("time", { datetime: event.time, title: event.time }, clock(event.time, true)),
      el("span", { class: "dot", "aria-hidden": "true" }),
      el("span", { class: "what" }, el("bdi", {}, sentence(event))),
    ),
  );
  return el(
    "section",
    { class: "one-run" },
    el(
      "h2",
      {},
      `Run ${run}`,
      el("span", { class: "of" }, `${day(from)} ${clock(from)}${took ? ` \u00b7 ${took}` : ""}`),
    ),
    el("ol", { class: "events" }, rows),
  );
}
