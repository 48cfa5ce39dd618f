/**
 * One agent: who it is, what can be done with it, its conversation if it is of a kind, its output, its runs and events,
 * all that is known of it.
 */

import * as actions from "./actions.js";
import { LIVE, ageOf, endingOf, statusOf, titleOf } from "./agents.js";
import { el, replace, setText } from "./dom.js";
import { detailsPanel, eventsOf, facts, historyPanel } from "./known.js";
import { setState } from "./list.js";
import { Talk } from "./talk.js";
import { Terminal } from "./terminal.js";
import { commandLine, span } from "./text.js";

const TABS = [
  ["talk", "Conversation"], // of AI agents alone
  ["output", "Output"],
  ["history", "Runs and events"],
  ["details", "Details"],
];
const DEEDS = [
  ["send", "Send input", "i"],
  ["signal", "Signal", "s"],
  ["restart", "Restart", "r"],
  ["cancel", "Cancel", "c"],
  ["remove", "Remove", "Delete"],
];

export class AgentView {
  constructor(id, { onClose, onState, rights, mayAnswer }) {
    this.id = id;
    this.agent = null;
    this.rights = rights;
    this.mayAnswer = mayAnswer;
    this.onClose = onClose;
    this.onState = onState;
    this.tab = "output"; // until it is known what it is
    this.element = this.#frame();
    this.timer = setInterval(() => this.#age(), 1000);
  }

  close() {
    clearInterval(this.timer);
    this.terminal?.close();
    this.talk?.close();
  }

  /** Try again now what waits for the server. */
  retry() {
    this.terminal?.source.retry();
    this.talk?.source.retry();
  }

  /** To where the next turn is written. */
  write() {
    if (this.rights() === "read") return;
    this.show("talk");
    this.talk.write();
  }

  /** The n-th of the tabs that are there. */
  showNth(n) {
    const tab = [...this.tabs.children].filter((one) => !one.hidden)[n];
    if (tab && this.agent) this.show(tab.dataset.name);
  }

  #panel(name) {
    return this.panels.find((panel) => panel.id === `panel-${name}`);
  }

  #frame() {
    this.title = el("h1", {});
    this.state = el("span", { class: "state", role: "status" });
    this.age = el("span", { class: "age" });
    this.command = el("code", { class: "line" });
    this.facts = el("div", { class: "facts" });
    this.deeds = el(
      "div",
      { class: "deeds", role: "toolbar", "aria-label": "Actions" },
      DEEDS.map(([name, text, key]) =>
        el(
          "button",
          {
            type: "button",
            "data-name": name,
            class: name === "cancel" || name === "remove" ? "danger" : null,
            "aria-keyshortcuts": key,
            onclick: () => this.act(name),
          },
          text,
        ),
      ),
    );
    this.tabs = el(
      "div",
      { class: "tabs", role: "tablist", "aria-label": "Agent" },
      TABS.map(([name, text]) =>
        el(
          "button",
          {
            type: "button",
            role: "tab",
            id: `tab-${name}`,
            hidden: name === "talk",
            "data-name": name,
            "aria-controls": `panel-${name}`,
            "aria-selected": "false",
            onclick: () => this.show(name),
          },
          text,
        ),
      ),
    );
    this.tabs.addEventListener("keydown", (event) => this.#tabKey(event));
    this.panels = TABS.map(([name]) =>
      el("div", {
        class: `panel ${name}`,
        role: "tabpanel",
        id: `panel-${name}`,
        "aria-labelledby": `tab-${name}`,
        hidden: true,
      }),
    );
    const back = el(
      "a",
      { class: "back", href: "#/", "aria-label": "Back to all agents", "aria-keyshortcuts": "Escape" },
      "\u2190",
    );
    this.note = el("p", { class: "empty" }, "Looking for the agent\u2026");
    return el(
      "article",
      { class: "detail", "aria-label": "Agent" },
      el(
        "div",
        { class: "who" },
        el(
          "div",
          { class: "line-1" },
          back,
          this.title,
          this.state,
          this.age,
          el("span", { class: "space" }),
          this.deeds,
        ),
        this.command,
        this.facts,
      ),
      this.tabs,
      this.note,
      this.panels,
    );
  }

  /** The agent as it is now; undefined where it is not (any more). */
  update(agent) {
    if (!agent) {
      this.note.hidden = false;
      setText(this.note, this.agent ? "This agent was removed." : "There is no such agent.");
      for (const button of this.deeds.children) button.hidden = true;
      if (!this.agent) for (const panel of this.panels) panel.hidden = true;
      return;
    }
    const before = this.agent;
    this.agent = agent;
    this.note.hidden = true;
    setText(this.title, titleOf(agent));
    setState(this.state, statusOf(agent), endingOf(agent));
    setText(this.command, commandLine(agent.command));
    this.command.title = this.command.textContent;
    replace(this.facts, facts(agent));
    this.#age();
    this.refreshDeeds();
    if (!before) this.#begin(agent);
    this.talk?.update(agent);
    if (!before) this.show(this.tab);
    else if (!["output", "talk"].includes(this.tab) && JSON.stringify(before) !== JSON.stringify(agent)) this.show(this.tab);
  }

  /** An AI agent opens on its conversation; the tabs' keys are their numbers. */
  #begin(agent) {
    const talk = [...this.tabs.children].find((tab) => tab.dataset.name === "talk");
    talk.hidden = !agent.kind;
    if (agent.kind) this.tab = "talk";
    const shown = [...this.tabs.children].filter((tab) => !tab.hidden);
    for (const [n, tab] of shown.entries()) tab.setAttribute("aria-keyshortcuts", String(n + 1));
  }

  refreshDeeds() {
    const agent = this.agent;
    for (const button of this.deeds.children) {
      const name = button.dataset.name;
      button.hidden = !agent || !actions.canBe(name, agent);
      button.disabled = this.rights() === "read";
      button.title = button.disabled
        ? "this token may only read"
        : `${button.textContent} (${button.getAttribute("aria-keyshortcuts")})`;
    }
  }

  act(name) {
    if (!this.agent || !actions.canBe(name, this.agent) || this.rights() === "read") return;
    const act = name === "remove" ? actions.forget : actions[name];
    act(this.agent).then((done) => {
      if (done && name === "remove") this.onClose();
    });
  }

  show(name) {
    this.tab = name;
    for (const tab of this.tabs.children) {
      const isIt = tab.id === `tab-${name}`;
      tab.setAttribute("aria-selected", String(isIt));
      tab.tabIndex = isIt ? 0 : -1;
    }
    for (const panel of this.panels) panel.hidden = panel.id !== `panel-${name}` || !this.agent;
    if (!this.agent) return;
    if (name === "talk") this.#talk();
    if (name === "output") this.#output();
    if (name === "history") this.#history();
    if (name === "details") replace(this.#panel("details"), detailsPanel(this.agent));
  }

  #tabKey(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const tabs = [...this.tabs.children].filter((tab) => !tab.hidden);
    const next = tabs[(tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length];
    next.focus();
    next.click();
  }

  #talk() {
    if (this.talk) return this.talk.draw();
    const { onState, rights, mayAnswer } = this;
    this.talk = new Talk(this.agent, { onState, rights, mayAnswer });
    this.#panel("talk").append(this.talk.element);
    this.talk.update(this.agent);
    this.talk.open();
    return null;
  }

  #output() {
    if (!this.terminal) {
      this.terminal = new Terminal(this.agent, { onState: this.onState });
      this.#panel("output").append(this.terminal.element);
      this.terminal.open();
    }
    this.terminal.view.draw();
  }

  async #history() {
    const panel = this.#panel("history");
    try {
      replace(panel, historyPanel(await eventsOf(this.agent)));
    } catch (error) {
      replace(panel, el("p", { class: "fault" }, error.line ?? error.message));
    }
  }

  #age() {
    if (!this.agent) return;
    const text = span(ageOf(this.agent, Date.now()));
    setText(this.age, LIVE.has(this.agent.state) ? `for ${text}` : `after ${text}`);
    this.age.title = `since ${this.agent.created_at}`;
  }
}
