/**
 * A session as a person reads it: events in, items out. Pure; the same events always give the same items.
 *
 * Each item has a `key`, the position of the event that it begins with, and a `stamp` that changes when it does. A tool
 * and what it gave are one item, so are an approval and its answer; a turn that waits comes last.
 */

const TELLING = ["command", "cmd", "file_path", "path", "filePath", "url", "pattern", "query", "prompt"];
export const COUNTED = ["input", "output", "cache_read", "cache_write", "reasoning"];

/** The items of events in their order; `isTail`: nothing came after them. */
export function fold(events, isTail = true) {
  const state = { items: [], calls: new Map(), approvals: new Map(), used: new Map(), queued: new Map(), current: null };
  for (const event of events) FOLDS[event.type]?.(state, event.data ?? {}, event);
  if (isTail) state.items.push(...state.queued.values());
  for (const item of state.items) item.stamp = stampOf(item);
  return { items: state.items, current: state.current };
}

function stampOf(item) {
  return `${item.kind} ${item.status ?? ""} ${item.by ?? ""} ${item.answered_at ?? ""} ${item.delivered ?? ""}`;
}

function add(state, event, kind, given) {
  const item = { key: event.position, time: event.time, kind, ...given };
  state.items.push(item);
  return item;
}

const note = (words, tone) => (state, data, event) => {
  const text = words(data);
  if (text) add(state, event, "note", { text, tone: typeof tone === "function" ? tone(data) : tone });
};

function turnSent(state, data, event) {
  state.queued.set(event.offset, {
    ...{ key: event.position, time: event.time, kind: "user", status: "queued" },
    ...{ text: event.text ?? "", by: data.by, turn: event.offset },
  });
}

function turnStarted(state, data, event) {
  state.current = data.turn;
  if (data.again) add(state, event, "note", { text: "the turn goes on where it was cut off", tone: "plain" });
}

function message(state, data, event) {
  if (data.role === "user") {
    const sent = state.queued.get(data.turn);
    state.queued.delete(data.turn);
    add(state, event, "user", { text: data.text, by: sent?.by ?? null, turn: data.turn });
  } else if (data.role === "notice") {
    add(state, event, "note", { text: data.text, tone: "plain" });
  } else if (data.text) {
    add(state, event, data.role === "thought" ? "thought" : "said", { text: data.text });
  }
}

function toolCalled(state, data, event) {
  const { call, name, title, input } = data;
  state.calls.set(call, add(state, event, "tool", { call, name, title, input, status: "running", output: null }));
}

function toolFinished(state, data, event) {
  const known = state.calls.get(data.call);
  const item = known ?? add(state, event, "tool", { call: data.call, name: "", title: "", input: null });
  item.status = data.status;
  item.output = data.output;
  state.calls.delete(data.call);
}

function requested(state, data, event) {
  const asked = { ...data, id: data.approval, status: "pending", requested_at: event.time };
  state.approvals.set(data.approval, add(state, event, "approval", asked));
}

/** An approval is answered; what a rule decides need not have been asked. */
const answered = (status) => (state, data, event) => {
  const known = state.approvals.get(data.approval);
  const said = { by: data.by, always: data.always, message: data.message, rule: data.rule, reason: data.reason };
  if (known) Object.assign(known, said, { status, answer_input: data.input ?? null, answered_at: event.time });
  else if (status !== "voided") add(state, event, "note", { text: outcomeOf({ ...said, status }), tone: "plain" });
};

function delivered(state, data) {
  const known = state.approvals.get(data.approval);
  if (known) known.delivered = true;
}

function used(state, data) {
  const sums = state.used.get(data.turn) ?? { ...Object.fromEntries(COUNTED.map((name) => [name, 0])), cost: null };
  for (const name of COUNTED) sums[name] += data[name] ?? 0;
  if (typeof data.cost === "number") sums.cost = (sums.cost ?? 0) + data.cost;
  state.used.set(data.turn, sums);
}

function completed(state, data, event) {
  state.current = null;
  state.queued.delete(data.turn);
  endCalls(state);
  const { outcome, reason, denials, seconds } = data;
  add(state, event, "outcome", { status: outcome, reason, denials, seconds, used: state.used.get(data.turn) ?? null });
}

/** What was under way when a turn or a run ended gives nothing any more. */
function endCalls(state) {
  for (const item of state.calls.values()) item.status = "cut off";
  state.calls.clear();
}

const ended = (words) => (state, data, event) => {
  endCalls(state);
  state.current = null;
  add(state, event, "note", { text: words(data), tone: data.outcome === "completed" ? "plain" : "bad" });
};

const FOLDS = {
  "turn:sent": turnSent,
  "turn:started": turnStarted,
  "turn:completed": completed,
  message,
  "tool:called": toolCalled,
  "tool:finished": toolFinished,
  "usage:reported": used,
  "approval:requested": requested,
  "approval:granted": answered("granted"),
  "approval:denied": answered("denied"),
  "approval:voided": answered("voided"),
  "approval:delivered": delivered,
  "session:started": note(
    (data) =>
      `the session ${data.resumed ? "goes on" : "begins"}: ${[data.kind, data.version, data.model].filter(Boolean).join(", ")}`,
    "plain",
  ),
  "session:stopped": note((data) => `no further turn is begun: ${data.reason}`, "bad"),
  "interrupt:requested": note((data) => `asked to stop${data.by ? ` by ${data.by}` : ""}`, "warn"),
  "quota:reached": note((data) => `no quota${data.until ? ` until ${data.until}` : ""}: ${data.reason}`, "bad"),
  "budget:warned": note((data) => `the budget is nearly spent: ${amount(data, "spent")} of ${amount(data, "budget")}`, "warn"),
  "budget:exhausted": note((data) => `the budget is spent: ${amount(data, "spent")} of ${amount(data, "budget")}`, "bad"),
  "budget:set": note((data) => `the budget is another${data.by ? `, by ${data.by}` : ""}`, "plain"),
  "agent:exited": ended((data) => `run ${data.run} ended: ${data.outcome}${data.reason ? `, ${data.reason}` : ""}`),
  "agent:lost": ended((data) => `run ${data.run} is lost: ${data.reason}`),
  "agent:start_failed": ended((data) => `run ${data.run} could not start: ${data.reason}`),
  "agent:restarted": note((data) => `run ${data.run} begins`, "plain"),
};

function amount(data, name) {
  return data.limit === "usd" ? dollars(data[name]) : `${data[name]} tokens`;
}

/** Millionths of a dollar: $0.0042, $12.50. */
export function dollars(cost) {
  const value = cost / 1e6;
  return `$${value.toFixed(value === 0 || value >= 1 ? 2 : value >= 0.0001 ? 4 : 6)}`;
}

/** What a tool is to do, in a line: what tells most of its input, else its title, else all of the input. */
export function gist({ input, title, name, tool }) {
  const given = input && typeof input === "object" ? input : {};
  if (Array.isArray(given.paths)) return given.paths.join(", ");
  const telling = TELLING.map((key) => given[key]).filter((value) => typeof value === "string");
  if (telling.length) return telling.slice(0, 2).join(" ");
  if (title && title !== (name ?? tool)) return title;
  return Object.keys(given).length ? JSON.stringify(given) : "";
}

/** What became of an approval, in words. */
export function outcomeOf({ status, by, always, message, rule, reason, delivered }) {
  if (status === "pending") return "waits for an answer";
  if (status === "voided") return `void: ${reason ?? "whoever asked is gone"}`;
  const who = { rule: `by the rule ${rule}`, policy: "by its policy", timeout: "because nobody answered in time" };
  const words = [`${status === "granted" ? "allowed" : "denied"} ${who[by] ?? `by ${by ?? "somebody"}`}`];
  if (always) words.push("for good");
  if (message) words.push(`\u201c${message}\u201d`);
  if (delivered === false) words.push("not delivered yet");
  return words.join(", ");
}

/** Tokens and cost in a line; `sums` may be without any. */
export function spentOf(sums) {
  if (!sums) return "";
  const read = sums.input + sums.cache_read + sums.cache_write;
  const short = (count) => new Intl.NumberFormat("en", count >= 10_000 ? { notation: "compact", maximumFractionDigits: 1 } : {}).format(count);
  const cost = sums.cost === null || sums.cost === undefined ? "cost unknown" : dollars(sums.cost);
  return `${short(read)} tokens in, ${short(sums.output)} out, ${cost}`;
}
