/**
 * What a person can have done with an agent: each asks before it acts, and says what the server answered.
 */

import { LIVE, titleOf } from "./agents.js";
import { area, ask, check, choice, field, input, toast } from "./dialogs.js";
import { el } from "./dom.js";
import { agentPath, newKey, post, remove, request } from "./session.js";
import { commandLine, seconds } from "./text.js";

const SIGNALS = ["TERM", "INT", "HUP", "USR1", "USR2", "QUIT", "STOP", "CONT", "WINCH", "KILL"];

function told(agent) {
  return el(
    "p",
    { class: "told" },
    el("strong", {}, titleOf(agent)),
    " ",
    el("code", {}, agent.id),
    el("code", { class: "line" }, commandLine(agent.command)),
  );
}

/** Whether an action makes sense for an agent as it is now. */
export function canBe(action, agent) {
  const lives = LIVE.has(agent.state);
  return {
    cancel:
      lives ||
      (agent.restart !== "no" && !agent.no_more_restarts && agent.state !== "cancelled" && agent.state !== "completed"),
    signal: lives && agent.state !== "spawned",
    restart: true,
    send: lives && agent.input !== false && agent.input !== undefined,
    remove: !lives,
  }[action];
}

export function cancel(agent) {
  return ask({
    title: "Cancel this agent?",
    body: [
      told(agent),
      el("p", {}, "Its whole process tree gets the signal, and after the grace period KILL."),
      el(
        "div",
        { class: "pair" },
        field("Signal", choice("signal", SIGNALS)),
        field("Grace", input("grace", { placeholder: "the agent's own", inputmode: "text" }), "10, 30s, 2m"),
      ),
    ],
    confirm: "Cancel the agent",
    isDanger: true,
    act: async (form) => {
      await post(agentPath(agent.id, "cancel"), { signal: form.get("signal"), grace: seconds(form.get("grace")) });
      toast(`Asked ${titleOf(agent)} to end`);
    },
  });
}

export function signal(agent) {
  return ask({
    title: "Send a signal",
    body: [
      told(agent),
      field(
        "Signal",
        choice("signal", [...SIGNALS.slice(2), ...SIGNALS.slice(0, 2)]),
        "It goes to the agent's process group, nothing more is done.",
      ),
    ],
    confirm: "Send it",
    act: async (form) => {
      await post(agentPath(agent.id, "signal"), { signal: form.get("signal") });
      toast(`Sent ${form.get("signal")} to ${titleOf(agent)}`);
    },
  });
}

export function restart(agent) {
  const lives = LIVE.has(agent.state);
  return ask({
    title: lives ? "Restart this agent?" : "Start it again?",
    body: [
      told(agent),
      el(
        "p",
        {},
        lives
          ? `Run ${agent.run} is ended first, its whole tree; then a new run of the same agent begins.`
          : "A new run of the same agent begins.",
      ),
    ],
    confirm: lives ? "End it and start anew" : "Start a new run",
    isDanger: lives,
    act: async () => {
      await post(agentPath(agent.id, "restart"), {});
      toast(`${titleOf(agent)} begins a new run`);
    },
  });
}

export function send(agent) {
  const key = newKey();
  return ask({
    title: "Send input",
    body: [
      told(agent),
      field(
        "Text",
        area("text", { rows: "5", autofocus: true }),
        "It is written to the agent's stdin, in order and once.",
      ),
      check("newline", "end it with a newline", { checked: true }),
      check("close", "and close its stdin afterwards"),
    ],
    confirm: "Send",
    act: async (form) => {
      const text = form.get("text") + (form.get("newline") && form.get("text") ? "\n" : "");
      await post(agentPath(agent.id, "input"), { text, close: form.get("close") !== null }, { "Idempotency-Key": key });
      toast(`Sent to ${titleOf(agent)}`);
    },
  });
}

export function forget(agent) {
  return ask({
    title: "Remove this agent?",
    body: [told(agent), el("p", {}, "Its output and what is known of it are deleted from the log.")],
    confirm: "Remove it",
    isDanger: true,
    act: async () => {
      await remove(agentPath(agent.id));
      toast(`${titleOf(agent)} is removed`);
    },
  });
}

/** Have the browser keep an agent's output, the bytes as they came. */
export async function download(agent, stream = "") {
  toast("Fetching the output\u2026");
  try {
    const response = await request(`${agentPath(agent.id, "output")}${stream ? `?stream=${stream}` : ""}`);
    const url = URL.createObjectURL(await response.blob());
    const link = el("a", {
      href: url,
      download: `${(agent.name || agent.id).replace(/[^\w.-]/g, "_")}${stream ? `.${stream}` : ""}.log`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    toast(error.line ?? error.message, true);
  }
}
