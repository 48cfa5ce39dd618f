/**
 * What happened, in words: registry events for people. Pure.
 */

import { commandLine, number, span, visible } from "./text.js";

const KINDS = {
  "agent:spawned": "new",
  "agent:starting": "new",
  "agent:started": "live",
  "agent:resumed": "live",
  "agent:spoke": "live",
  "agent:waiting": "warn",
  "agent:fell_silent": "warn",
  "agent:signalled": "warn",
  "agent:adopted": "warn",
  "agent:restarted": "new",
  "agent:start_failed": "bad",
  "agent:lost": "bad",
  "agent:crash_looped": "bad",
  "record:lost": "bad",
  "approval:requested": "warn",
  "approval:granted": "good",
  "approval:denied": "bad",
  "budget:warned": "warn",
  "budget:exhausted": "bad",
  "quota:reached": "warn",
  "session:stopped": "bad",
};

const WORDS = {
  "agent:spawned": (data) => `spawned: ${commandLine(data.command)}`,
  "agent:starting": (data) => `starting, run ${data.run}`,
  "agent:started": (data) => `started, run ${data.run}`,
  "agent:waiting": (data) => `waits${data.for ? ` for ${visible(data.for)}` : ""}`,
  "agent:resumed": () => "goes on",
  "agent:adopted": (data) => `adopted by a new daemon (${data.epoch})`,
  "agent:signalled": (data) => `got ${visible(data.signal)} (${visible(data.reason)})`,
  "agent:fell_silent": (data) => `has been silent for ${span(data.seconds)}`,
  "agent:spoke": () => "speaks again",
  "agent:start_failed": (data) => `could not start: ${visible(data.reason)}`,
  "agent:exited": (data) => `${visible(data.outcome)}${howEnded(data)}`,
  "agent:lost": (data) => `lost: ${visible(data.reason)}`,
  "agent:swept": (data) => `left ${number(data.processes)} processes, now ended`,
  "agent:crash_looped": (data) => `crash loop after ${number(data.restarts)} restarts: restarted no more`,
  "agent:restart_withdrawn": () => "is restarted no more, on request",
  "agent:restarted": (data) => `restarted as run ${data.run} (${visible(data.reason)})`,
  "agent:removed": () => "removed",
  "session:started": (data) => `the session ${data.resumed ? "goes on" : "begins"}: ${visible(data.session)}`,
  "session:closed": (data) => `takes no more turns in run ${data.run}: ${visible(data.reason)}`,
  "session:stopped": (data) => `begins no further turn: ${visible(data.reason)}`,
  "turn:sent": (data) => `was sent a turn${data.by ? ` by ${visible(data.by)}` : ""}`,
  "turn:started": (data) => `turn ${data.turn} begins${data.again ? " again" : ""}`,
  "turn:completed": (data) => `turn ${data.turn}: ${visible(data.outcome)}${data.reason ? `, ${visible(data.reason)}` : ""}`,
  "interrupt:requested": (data) => `was asked to stop${data.by ? ` by ${visible(data.by)}` : ""}`,
  "approval:requested": (data) => `asks to use ${visible(data.tool)}: ${visible(data.title)}`,
  "approval:granted": (data) => `was allowed ${visible(data.approval)} by ${visible(data.rule ?? data.by ?? "somebody")}`,
  "approval:denied": (data) => `was denied ${visible(data.approval)} by ${visible(data.rule ?? data.by ?? "somebody")}`,
  "approval:voided": (data) => `asks no more for ${visible(data.approval)}: ${visible(data.reason)}`,
  "quota:reached": (data) => `has no quota${data.until ? ` until ${visible(data.until)}` : ""}: ${visible(data.reason)}`,
  "budget:warned": (data) => `has nearly spent its budget of ${visible(data.limit)}`,
  "budget:exhausted": (data) => `has spent its budget of ${visible(data.limit)}`,
};

/** What happened to an AI agent, without what was said. */
export const LIFE = Object.keys(WORDS);

function howEnded(data) {
  const how = data.signal
    ? visible(data.signal)
    : data.exit_code === null || data.exit_code === undefined
      ? ""
      : `exit ${data.exit_code}`;
  const parts = [
    how,
    data.reason && visible(data.reason),
    typeof data.seconds === "number" && `after ${briefly(data.seconds)}`,
  ];
  const said = parts.filter(Boolean);
  return said.length ? `: ${said.join(", ")}` : "";
}

function briefly(seconds) {
  return seconds < 10 ? `${seconds.toFixed(seconds < 1 ? 2 : 1)}s` : span(seconds);
}

/** new, live, warn, bad, good or plain: how an event is coloured. */
export function kindOf(event) {
  if (event.type === "agent:exited") return { completed: "good", failed: "bad" }[event.data.outcome] ?? "plain";
  if (event.type === "turn:completed") return event.data.outcome === "completed" ? "good" : "bad";
  return KINDS[event.type] ?? "plain";
}

/** What an event says, without its agent. */
export function sentence(event) {
  try {
    const words = WORDS[event.type];
    if (words) return words(event.data);
  } catch {
    // a newer version's event: shown as it is
  }
  return `${visible(event.type)} ${visible(JSON.stringify(event.data))}`;
}
