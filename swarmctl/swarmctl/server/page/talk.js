/**
 * The conversation with one agent: what was said and done, live, approvals answered in place, and the next turn.
 *
 * A window of the session's events is held, at most MOST of them and BYTES of text; what is before and after it is read
 * when it is scrolled to. All items are folded anew from the window (conversation.js), and only what has changed is
 * drawn, so that what comes live and what is read after a reload are the same.
 */

import { Asked } from "./asked.js";
import { LIVE } from "./agents.js";
import { fold, gist, spentOf } from "./conversation.js";
import { toast } from "./dialogs.js";
import { el, replace, setText } from "./dom.js";
import { agentPath, get, newKey, post } from "./session.js";
import { clock, lines, number, span, visible } from "./text.js";

const PAGE = 200; // events that are asked for at once
const MOST = 800; // that are held
const BYTES = 8_000_000; // of them, about
const WAIT = 25; // s that the server waits for what comes next
const LONG = 6_000; // characters of a text that are shown at first
const PREVIEW = 8; // lines of what a tool gave, beside all of it
const NEAR = 300; // px from an end at which more is read
const LEAST = 250;
const LAST = 5_000; // ms between attempts

export class Talk {
  #events = [];
  #before = null; // where what is earlier ends; null: nothing is
  #next = 0; // position after which what comes next is
  #isTail = true;
  #isReading = false;
  #isFollowing = true;
  #rows = new Map(); // key → {stamp, element, asked}
  #open = new Set(); // what was unfolded, by key
  #controller = new AbortController();
  #frame = 0;
  #failures = 0;
  #wake = () => {};

  constructor(agent, { onState, rights, mayAnswer }) {
    this.agent = agent;
    this.onState = onState;
    this.rights = rights;
    this.mayAnswer = mayAnswer;
    this.source = { retry: () => this.#wake() };
    this.list = el("ol", { class: "items" });
    this.older = el("button", { type: "button", class: "quiet more", hidden: true, onclick: () => this.#readOlder() }, "Earlier");
    this.scroller = el(
      "div",
      { class: "talk-scroll", role: "log", tabindex: "0", "aria-label": "Conversation" },
      this.older,
      this.list,
    );
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.toEnd = el("button", { type: "button", class: "to-end", hidden: true, onclick: () => this.last() }, "\u2193 To the end");
    this.about = el("div", { class: "about", role: "status", "aria-live": "off" });
    this.element = el("div", { class: "talk" }, this.about, el("div", { class: "talk-body" }, this.scroller, this.toEnd), this.#composer());
    new ResizeObserver(() => this.#stick()).observe(this.scroller);
  }

  async open() {
    await this.last();
    this.#follow();
  }

  close() {
    this.#controller.abort();
    this.#wake();
    clearTimeout(this.telling);
  }

  /** The agent as it is now. */
  update(agent) {
    this.agent = agent;
    const lives = LIVE.has(agent.state);
    this.text.placeholder = lives ? "What it is to do next" : "It has ended; a turn goes on with its session in a new run";
    this.#drawButtons();
  }

  focus() {
    this.scroller.focus({ preventScroll: true });
  }

  write() {
    this.text.focus();
  }

  /** The end, and what comes. */
  async last() {
    this.#isFollowing = true;
    if (!this.#events.length || !this.#isTail) await this.#read({}, (page) => this.#begin(page));
    this.draw();
    this.#tell();
  }

  /** The beginning. */
  async first() {
    this.#isFollowing = false;
    if (this.#before !== null) {
      await this.#read({ after: 0 }, (page) => {
        this.#events = page.events;
        this.#before = null;
        this.#isTail = page.events.length < PAGE;
        this.#next = page.next;
      });
    }
    this.draw();
    this.scroller.scrollTop = 0;
  }

  #begin(page) {
    this.#events = page.events;
    this.#before = page.before;
    this.#next = page.next;
    this.#isTail = true;
    this.#wake();
  }

  async #read(query, take) {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      take(await this.#get({ limit: PAGE, ...query }));
      this.onState("live");
    } catch (error) {
      if (error.name !== "AbortError") this.onState(error.status ? "failed" : "waiting", error, LAST);
    } finally {
      this.#isReading = false;
    }
  }

  #get(query) {
    const path = `${agentPath(this.agent.id, "conversation")}?${new URLSearchParams(query)}`;
    return get(path, { signal: this.#controller.signal });
  }

  async #readOlder() {
    if (this.#before === null) return;
    await this.#read({ before: this.#before }, (page) => {
      this.#anchored(() => {
        this.#events = [...page.events, ...this.#events];
        this.#before = page.before;
        this.#trim(false);
        this.#draw();
      });
    });
  }

  async #readNewer() {
    if (this.#isTail) return;
    await this.#read({ after: this.#events.at(-1)?.position ?? 0 }, (page) => {
      this.#anchored(() => {
        this.#append(page);
        this.#isTail = page.events.length < PAGE;
        this.#draw();
      });
    });
    if (this.#isTail) this.#wake();
  }

  #append(page) {
    this.#events.push(...page.events);
    this.#next = page.next;
    this.#trim(true);
  }

  /** Let go of what is too much, at the beginning or at the end. */
  #trim(atBeginning) {
    let size = this.#events.reduce((sum, event) => sum + weight(event), 0);
    let count = this.#events.length;
    while (count > 1 && (count > MOST || size > BYTES)) {
      size -= weight(this.#events[atBeginning ? this.#events.length - count : count - 1]);
      count--;
    }
    if (count === this.#events.length) return;
    if (atBeginning) {
      this.#events = this.#events.slice(-count);
      this.#before = this.#events[0].position;
    } else {
      this.#events = this.#events.slice(0, count);
      this.#isTail = false;
    }
  }

  /** What comes is waited for, while the end is held and the tab is seen. */
  async #follow() {
    const { signal } = this.#controller;
    while (!signal.aborted) {
      if (!this.#isTail || document.hidden) {
        await this.#pause(null);
        continue;
      }
      try {
        const page = await this.#get({ after: this.#next, limit: PAGE, wait: WAIT });
        this.#failures = 0;
        this.onState("live");
        if (!this.#isTail) continue;
        this.#append(page);
        if (page.events.length) this.draw();
        if (page.events.some((event) => TELLS.has(event.type))) this.#tell();
      } catch (error) {
        if (signal.aborted) return;
        if ([401, 403, 404].includes(error.status)) return this.onState("refused", error);
        const wait = Math.min(LAST, LEAST * 2 ** this.#failures++);
        this.onState("waiting", error, wait);
        await this.#pause(wait);
      }
    }
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const go = () => {
        document.removeEventListener("visibilitychange", go);
        resolve();
      };
      this.#wake = go;
      document.addEventListener("visibilitychange", go);
      if (ms !== null) setTimeout(go, ms);
    });
  }

  /** Say how the session stands; asked for again a moment after something has happened. */
  #tell() {
    clearTimeout(this.telling);
    this.telling = setTimeout(async () => {
      try {
        const session = await get(agentPath(this.agent.id, "session"), { signal: this.#controller.signal });
        this.session = session;
        replace(this.about, aboutOf(session));
        this.#drawButtons();
      } catch {
        // the link says what is wrong
      }
    }, 100);
  }

  draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const { items, current } = fold(this.#events, this.#isTail);
    this.current = current;
    const kept = new Map();
    let place = this.list.firstChild;
    for (const item of items) {
      const row = this.#row(item);
      kept.set(item.key, row);
      if (row.element === place) place = place.nextSibling;
      else this.list.insertBefore(row.element, place);
    }
    for (const [key, row] of this.#rows) if (kept.get(key) !== row) row.element.remove();
    this.#rows = kept;
    this.older.hidden = this.#before === null;
    this.list.classList.toggle("none", !items.length);
    this.#drawButtons();
    this.#stick();
    if (this.scroller.scrollHeight <= this.scroller.clientHeight && this.#before !== null) this.#readOlder();
  }

  #row(item) {
    const known = this.#rows.get(item.key);
    if (known?.stamp === item.stamp) return known;
    if (known?.asked) {
      known.asked.update(item);
      known.stamp = item.stamp;
      return known;
    }
    const row = { stamp: item.stamp, element: el("li", { class: `item ${item.kind}`, "data-status": item.status ?? null }) };
    if (item.kind === "approval") {
      row.asked = new Asked(item, { mayAnswer: this.mayAnswer });
      row.element.append(row.asked.element);
    } else {
      row.element.append(...[DRAWN[item.kind](item, this.#folding(item.key))].flat().filter(Boolean));
    }
    return row;
  }

  /** What is unfolded stays so when it is drawn anew. */
  #folding(key) {
    return (name, details) => {
      const id = `${key} ${name}`;
      details.open = this.#open.has(id);
      details.addEventListener("toggle", () => (details.open ? this.#open.add(id) : this.#open.delete(id)));
      return details;
    };
  }

  #anchored(change) {
    const top = this.scroller.getBoundingClientRect().top;
    const anchor = [...this.list.children].find((one) => one.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (anchor?.isConnected) this.scroller.scrollTop += anchor.getBoundingClientRect().top - before;
  }

  #stick() {
    if (this.#isFollowing && this.#isTail) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.toEnd.hidden = this.#isFollowing && this.#isTail;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const left = scrollHeight - scrollTop - clientHeight;
    this.#isFollowing = this.#isTail && left < 40;
    this.toEnd.hidden = this.#isFollowing;
    if (scrollTop < NEAR && this.#before !== null) this.#readOlder();
    if (left < NEAR && !this.#isTail) this.#readNewer();
  }

  #composer() {
    let key = newKey();
    this.text = el("textarea", { name: "turn", rows: "1", "aria-label": "The next turn", autocomplete: "off", enterkeyhint: "send" });
    this.text.addEventListener("input", () => {
      key = newKey(); // another text is another turn, also after one of which nobody knows whether it was sent
      this.#grow();
    });
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        this.focus();
      }
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    this.stop = el("button", { type: "button", hidden: true, onclick: () => this.#interrupt() }, "Interrupt");
    this.go = el("button", { type: "submit", class: "primary", title: "Enter sends, Shift+Enter begins a new line" }, "Send");
    const form = el("form", { class: "composer" }, this.text, this.stop, this.go);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.text.value;
      if (!text.trim() || this.go.disabled) return;
      this.go.disabled = true;
      try {
        await post(agentPath(this.agent.id, "turns"), { text, by: "page" }, { "Idempotency-Key": key });
        key = newKey();
        if (this.text.value === text) this.text.value = "";
        this.#grow();
        await this.last();
      } catch (error) {
        toast(error.line ?? error.message, true);
      } finally {
        this.go.disabled = false;
        this.text.focus();
      }
    });
    return (this.form = form);
  }

  #grow() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(this.text.scrollHeight + 2, 220)}px`;
  }

  async #interrupt() {
    try {
      await post(agentPath(this.agent.id, "interrupt"), { by: "page" });
      toast("Asked it to stop; its session stays");
    } catch (error) {
      toast(error.line ?? error.message, true);
    }
  }

  #drawButtons() {
    const isUnderWay = LIVE.has(this.agent.state) && (this.current !== null || Boolean(this.session?.current));
    this.stop.hidden = !isUnderWay || this.rights() === "read";
    this.form.hidden = this.rights() === "read";
  }
}

const TELLS = new Set(["turn:completed", "turn:started", "turn:sent", "session:started", "usage:reported"]);

function weight(event) {
  const { text, output, input } = event.data ?? {};
  return 200 + (event.text?.length ?? 0) + (text?.length ?? 0) + (output?.length ?? 0) + (input ? JSON.stringify(input).length : 0);
}

function aboutOf(session) {
  const sums = Object.values(session.usage).reduce((total, one) => {
    for (const [name, value] of Object.entries(one)) total[name] = (total[name] ?? 0) + value;
    return total;
  }, {});
  const isPriced = sums.cost > 0 || !sums.unpriced;
  const known = [
    ["kind", [session.kind, session.version].filter(Boolean).join(" ")],
    ["model", session.model],
    ["turns", `${number(session.completed)} of ${number(session.sent)}`],
    session.waiting.length && ["queued", number(session.waiting.length)],
    Object.keys(session.usage).length && ["used", spentOf({ ...sums, cost: isPriced ? sums.cost : null })],
    session.quota && ["quota", session.quota.until ? `none until ${clock(session.quota.until)}` : "none"],
  ].filter((one) => one && one[1]);
  return known.map(([name, value]) =>
    el("span", { class: "fact" }, el("span", { class: "of" }, name), " ", el("bdi", {}, visible(value))),
  );
}

// -- items

const DRAWN = {
  user: (item, folding) => [
    head(item.status === "queued" ? "You, queued" : "You", item, item.by),
    long(item.text, folding),
  ],
  said: (item, folding) => [head("Agent", item), long(item.text, folding)],
  thought: (item, folding) =>
    folding(
      "thought",
      el("details", {}, el("summary", {}, el("span", { class: "of" }, "Thought"), " ", el("bdi", { class: "gist" }, visible(firstLine(item.text)))), long(item.text, folding)),
    ),
  tool: toolOf,
  note: (item) => el("p", { "data-tone": item.tone }, el("bdi", {}, visible(item.text))),
  outcome: outcome,
};

function head(who, item, by) {
  return el(
    "div",
    { class: "head" },
    el("span", { class: "who-said" }, who),
    by && el("bdi", { class: "by" }, visible(by)),
    el("time", { datetime: item.time, title: item.time }, clock(item.time)),
  );
}

/** A text; of a long one the beginning, and all of it when that is asked for. */
function long(text, folding) {
  if (text.length <= LONG) return el("div", { class: "text" }, lines(text));
  const whole = el("div", { class: "text" });
  const rest = el("details", { class: "rest" }, el("summary", {}, `${number(text.length - LONG)} characters more`), whole);
  rest.addEventListener("toggle", () => setText(whole, rest.open ? lines(text.slice(LONG)) : ""));
  return [el("div", { class: "text" }, lines(text.slice(0, LONG))), folding("rest", rest)];
}

function firstLine(text) {
  return text.trimStart().split("\n", 1)[0].slice(0, 200);
}

function toolOf(item, folding) {
  const summary = el(
    "summary",
    {},
    el("span", { class: "dot", "aria-hidden": "true" }),
    el("bdi", { class: "tool-name" }, visible(item.name || "tool")),
    el("bdi", { class: "gist" }, visible(firstLine(gist(item)))),
    el("span", { class: "status" }, item.status ?? ""),
  );
  const body = [];
  if (item.input && Object.keys(item.input).length)
    body.push(el("h4", {}, "Input"), el("pre", { tabindex: "0" }, lines(pretty(item.input))));
  if (item.output) body.push(el("h4", {}, "Result"), el("pre", { tabindex: "0" }, long(item.output, folding)));
  const details = folding("tool", el("details", {}, summary, body));
  return [details, item.output && el("pre", { class: "preview-of", "aria-hidden": "true" }, lines(previewOf(item.output)))];
}

function pretty(input) {
  const text = JSON.stringify(input, null, 2);
  return text.length > LONG * 4 ? `${text.slice(0, LONG * 4)}\u2026` : text;
}

function previewOf(output) {
  const all = output.trimEnd().slice(0, LONG).split("\n");
  const some = all.slice(0, PREVIEW).map((line) => line.slice(0, 400));
  return all.length > PREVIEW ? `${some.join("\n")}\n\u2026` : some.join("\n");
}

function outcome(item) {
  const words = [
    typeof item.seconds === "number" && span(item.seconds),
    item.denials && `${number(item.denials)} denied`,
    spentOf(item.used),
  ].filter(Boolean);
  return el(
    "p",
    {},
    el("span", { class: "dot", "aria-hidden": "true" }),
    el("strong", {}, visible(item.status)),
    words.length ? ` ${words.join(" \u00b7 ")}` : "",
    item.reason && el("bdi", { class: "why" }, visible(item.reason)),
  );
}
