/**
 * One approval: what an agent wants to do, and the answer to it. In a conversation, and among all that are pending.
 */

import { titleOf } from "./agents.js";
import { gist, outcomeOf } from "./conversation.js";
import { toast } from "./dialogs.js";
import { el, replace, setText } from "./dom.js";
import { get, post } from "./session.js";
import { clock, lines, visible } from "./text.js";

const path = (id) => `/v1/approvals/${encodeURIComponent(id)}`;

export class Asked {
  /** `mayAnswer()`: whether the token is good for answers; `agent`: named and linked to, where that is not clear. */
  constructor(approval, { mayAnswer, agent = null }) {
    this.id = approval.id;
    this.mayAnswer = mayAnswer;
    this.isBusy = false;
    this.element = el("section", { class: "asked", "data-id": approval.id, tabindex: "-1" });
    this.state = el("p", { class: "became", role: "status" });
    this.form = this.#form(approval);
    const who = agent && [
      el("a", { href: `#/agents/${encodeURIComponent(agent.id)}` }, el("bdi", {}, titleOf(agent))),
      " asks to use ",
    ];
    const title = el("h3", {}, who || "It asks to use ", el("bdi", {}, visible(approval.tool)));
    title.id = `asked-${approval.id}`;
    this.element.setAttribute("aria-labelledby", title.id);
    const text = gist(approval);
    const all = approval.input && Object.keys(approval.input).length > 1;
    const head = el("div", { class: "line-1" }, title, el("code", { class: "id" }, approval.id), el("span", { class: "space" }), time(approval));
    const whole = all && el("details", {}, el("summary", {}, "All of the input"), el("pre", {}, lines(JSON.stringify(approval.input, null, 2))));
    replace(this.element, head, text && el("pre", { class: "wish", tabindex: "0" }, lines(text)), whole, this.state, this.form);
    this.update(approval);
  }

  /** What is known of it now: {status or state, by, ...}. */
  update(approval) {
    const status = approval.status ?? approval.state;
    this.status = status;
    this.element.dataset.status = status;
    const until = status === "pending" && approval.until ? `; denied at ${clock(approval.until)} without one` : "";
    setText(this.state, visible(outcomeOf({ ...approval, status }) + until));
    const hadFocus = this.hadFocus || this.form.contains(document.activeElement);
    this.form.hidden = status !== "pending" || !this.mayAnswer();
    if (hadFocus && this.form.hidden) this.element.focus({ preventScroll: true });
  }

  #form(approval) {
    const button = (text, kind, act, title) =>
      el("button", { type: "button", class: kind, title, onclick: () => act() }, text);
    this.message = el("input", {
      ...{ type: "text", autocomplete: "off", maxlength: "2000", placeholder: "Tell it why not (optional)" },
      "aria-label": "Message to the agent with a denial",
    });
    this.message.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) {
        event.preventDefault();
        this.#deny();
      }
    });
    this.edit = el("textarea", { rows: "6", spellcheck: "false", "aria-label": "The input, as JSON" });
    this.edit.value = JSON.stringify(approval.input, null, 2);
    this.edit.hidden = true;
    const editing = button("Edit", "quiet", () => this.#toggleEdit(), "Have it done with another input");
    editing.hidden = !approval.editable;
    return el(
      "div",
      { class: "answer" },
      this.edit,
      el(
        "div",
        { class: "choices" },
        button("Approve", "primary", () => this.#grant(false), "Let it do this once"),
        button("Always", null, () => this.#grant(true), "And just the same again in this session"),
        editing,
        el("span", { class: "space" }),
        this.message,
        button("Deny", "danger", () => this.#deny(), "It goes on without"),
      ),
    );
  }

  #toggleEdit() {
    this.edit.hidden = !this.edit.hidden;
    if (!this.edit.hidden) this.edit.focus();
  }

  #grant(always) {
    const body = { granted: true, always };
    if (!this.edit.hidden) {
      try {
        body.input = JSON.parse(this.edit.value);
        if (!body.input || typeof body.input !== "object" || Array.isArray(body.input)) throw new Error("no object");
      } catch (error) {
        this.edit.focus();
        return toast(`The input is no JSON object: ${error.message}`, true);
      }
    }
    return this.#answer(body);
  }

  #deny() {
    return this.#answer({ granted: false, ...(this.message.value ? { message: this.message.value } : {}) });
  }

  async #answer(body) {
    if (this.isBusy) return;
    this.#busy(true);
    try {
      this.update(await post(path(this.id), { ...body, by: "page" }));
    } catch (error) {
      toast(error.line ?? error.message, true);
      if (error.status === 409 || error.status === 404) await this.look();
    } finally {
      this.#busy(false);
    }
  }

  #busy(is) {
    this.isBusy = is;
    this.hadFocus = is && this.form.contains(document.activeElement); // what is disabled loses it
    for (const button of this.form.querySelectorAll("button")) button.disabled = is;
  }

  /** Ask what became of it. */
  async look() {
    try {
      this.update(await get(path(this.id)));
    } catch (error) {
      if (error.status === 404) replace(this.form, el("p", {}, "Its agent was removed."));
    }
  }
}

function time(approval) {
  return el("time", { datetime: approval.requested_at, title: approval.requested_at }, clock(approval.requested_at));
}
