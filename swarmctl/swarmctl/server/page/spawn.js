/**
 * The dialog that spawns an agent. The same request twice is one agent: its key belongs to what is asked for.
 */

import { area, ask, check, choice, field, input, toast } from "./dialogs.js";
import { el } from "./dom.js";
import { newKey, post } from "./session.js";
import { commandLine, needsShell, seconds, size, words } from "./text.js";

const KINDS = ["claude", "codex", "opencode", "gemini"];

/** Ask what to spawn; resolves with the agent, null where nothing was. */
export function spawn() {
  const keys = new Map(); // body → its idempotency key
  const preview = el("output", { class: "preview", for: "field-command" });
  const command = area("command", { rows: "2", autofocus: true, required: true, placeholder: "make -j4" });
  const how = choice("how", [
    ["auto", "words, or shell where it needs one"],
    ["words", "its words, as they are"],
    ["shell", "a line of shell (sh -c)"],
  ]);
  const update = () => {
    try {
      const argv = commandOf(command.value, how.value);
      preview.textContent = argv.length ? commandLine(argv) : "";
      preview.classList.remove("bad");
    } catch (error) {
      preview.textContent = error.message;
      preview.classList.add("bad");
    }
  };
  command.addEventListener("input", update);
  how.addEventListener("change", update);
  command.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      command.form.requestSubmit();
    }
  });
  const kind = choice("kind", [["", "a command"], ...KINDS, ["other", "another: a profile, acp:COMMAND, api:PROFILE"]]);
  const ofCommand = el(
    "div",
    { class: "fields" },
    field("Command", command),
    preview,
    field("Run it as", how),
    check("input", "takes input: its stdin stays open"),
  );
  const ofKind = agentFields();
  const change = () => {
    ofCommand.hidden = kind.value !== "";
    ofKind.hidden = kind.value === "";
    ofKind.querySelector("[name=other]").closest(".field").hidden = kind.value !== "other";
  };
  kind.addEventListener("change", change);
  change();
  return ask({
    title: "Spawn an agent",
    isWide: true,
    body: [
      field("What", kind),
      ofCommand,
      ofKind,
      el(
        "div",
        { class: "pair" },
        field("Name", input("name", { placeholder: "optional" })),
        field("Labels", input("labels", { placeholder: "team=web kind=build" })),
      ),
      more(),
    ],
    confirm: "Spawn",
    act: async (form) => {
      const body = bodyOf(form);
      const text = JSON.stringify(body);
      if (!keys.has(text)) keys.set(text, newKey());
      const agent = await post("/v1/agents", body, { "Idempotency-Key": keys.get(text) });
      toast(`Spawned ${agent.name || agent.id}`);
      return agent;
    },
  });
}

/** What an AI agent is told, and may. */
function agentFields() {
  const prompt = area("prompt", { rows: "4", placeholder: "What it is to do" });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      prompt.form.requestSubmit();
    }
  });
  return el(
    "div",
    { class: "fields" },
    field("Kind", input("other", { placeholder: "acp:my-agent --acp" })),
    field("Prompt", prompt),
    el(
      "div",
      { class: "pair" },
      field("Model", input("model", { placeholder: "the kind's own" })),
      field(
        "What it asks to be allowed",
        choice("approve", [
          ["ask", "is asked here"],
          ["auto-read", "reading is allowed"],
          ["all", "all is allowed"],
          ["never", "all is denied"],
        ]),
      ),
    ),
    el(
      "div",
      { class: "pair" },
      field("Allow unasked", area("allow", { rows: "1", placeholder: "Bash(git *)" }), "A rule a line"),
      field("Deny unasked", area("deny", { rows: "1", placeholder: "Bash(git push*)" }), "A rule a line"),
    ),
    check("stay", "stays, and waits for more turns"),
  );
}

function more() {
  return el(
    "details",
    {},
    el("summary", {}, "More"),
    field("Directory", input("cwd", { placeholder: "the home of the server's user" })),
    field("Environment", area("env", { rows: "2", placeholder: "CI=1" }), "A variable a line, beside the server's own"),
    el(
      "div",
      { class: "pair" },
      field("Restart", choice("restart", ["no", "on-failure", "always"])),
      field("Most restarts", input("max_restarts", { inputmode: "numeric", placeholder: "10" })),
    ),
    el(
      "div",
      { class: "pair" },
      field("Timeout", input("timeout", { placeholder: "1h" })),
      field("Grace", input("grace", { placeholder: "10s" })),
    ),
    el(
      "div",
      { class: "pair" },
      field("Silence", input("silence", { placeholder: "10m" })),
      field("On silence", choice("on_silence", ["mark", "restart"])),
    ),
    el(
      "div",
      { class: "pair three" },
      field("Memory", input("memory", { placeholder: "2G" })),
      field("CPUs", input("cpu", { placeholder: "1.5", inputmode: "decimal" })),
      field("Tasks", input("tasks", { inputmode: "numeric" })),
    ),
    field("Input", area("stdin", { rows: "2" }), "What its stdin has"),
  );
}

function commandOf(text, how) {
  if (!text.trim()) return [];
  return how === "shell" || (how === "auto" && needsShell(text)) ? ["sh", "-c", text] : words(text);
}

/** The body of the request, with what was filled in alone. Throws Error where that cannot be. */
export function bodyOf(form) {
  const text = (name) => form.get(name)?.trim() ?? "";
  const body = {
    ...(form.get("kind") ? agentOf(form) : commandBody(form)),
    labels: pairs(words(text("labels")), "label"),
    env: pairs(form.get("env").split("\n").filter(Boolean), "variable"),
  };
  for (const name of ["name", "cwd"]) body[name] = text(name);
  for (const name of ["timeout", "grace", "silence"]) body[name] = seconds(text(name));
  body.memory = size(text("memory"));
  for (const name of ["cpu", "tasks", "max_restarts"]) body[name] = numeric(text(name), name);
  if (text("restart") !== "no") body.restart = text("restart");
  if (body.silence !== null) body.on_silence = text("on_silence");
  if (form.get("stdin") && !form.get("kind")) body.stdin = form.get("stdin");
  return Object.fromEntries(
    Object.entries(body).filter(([, value]) => value !== null && value !== "" && !isEmpty(value)),
  );
}

function commandBody(form) {
  const command = commandOf(form.get("command"), form.get("how"));
  if (!command.length) throw new Error("there is no command; write what is to be run");
  return { command, input: form.get("input") ? true : null };
}

function agentOf(form) {
  const kind = form.get("kind") === "other" ? form.get("other").trim() : form.get("kind");
  if (!kind) throw new Error("there is no kind; write a profile, acp:COMMAND or api:PROFILE");
  if (!form.get("prompt").trim()) throw new Error("there is no prompt; write what it is to do");
  const rules = (name) => {
    const given = form.get(name).split("\n").map((line) => line.trim()).filter(Boolean);
    return given.length ? given : null;
  };
  return {
    ...{ agent: kind, prompt: form.get("prompt"), model: form.get("model").trim(), approve: form.get("approve") },
    ...{ allow: rules("allow"), deny: rules("deny"), stay: form.get("stay") ? true : null, by: "page" },
  };
}

function isEmpty(value) {
  return typeof value === "object" && !Array.isArray(value) && !Object.keys(value).length;
}

function pairs(texts, what) {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      if (equals <= 0) throw new Error(`${what} ${text} has no value; write KEY=VALUE`);
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

function numeric(text, name) {
  if (!text) return null;
  const value = Number(text.replace(/%$/, "")) / (text.endsWith("%") ? 100 : 1);
  if (!Number.isFinite(value)) throw new Error(`${name} is no number: ${text}`);
  return value;
}
