/**
 * One agent: who it is, what can be done with it, its output, its runs and events, all that is known of it.
 */

import * as actions from "./actions.js";
import { LIVE, ageOf, endingOf, statusOf, titleOf } from "./agents.js";
import { el, replace, setText } from "./dom.js";
import { detailsPanel, eventsOf, facts, historyPanel } from "./known.js";
import { setState } from "./list.js";
import { Terminal } from "./terminal.js";
import { commandLine, span } from "./text.js";

const TABS = [
  ["output", "Output", "1"],
  ["history", "Runs and events", "2"],
  ["details", "Details", "3"],
];
const DEEDS = [
  ["send", "Send input", "i"],
  ["signal", "Signal", "s"],
  ["restart", "Restart", "r"],
  ["cancel", "Cancel", "c"],
  ["remove", "Remove", "Delete"],
];

export class AgentView {
  constructor(id, { onClose, onState, rights }) {
    this.id = id;
    this.agent = null;
    this.rights = rights;
    this.onClose = onClose;
    this.onState = onState;
    this.tab = "output";
    this.element = this.#frame();
    this.timer = setInterval(() => this.#age(), 1000);
  }

  close() {
    clearInterval(this.timer);
    this.terminal?.close();
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
      TABS.map(([name, text, key]) =>
        el(
          "button",
          {
            type: "button",
            role: "tab",
            id: `tab-${name}`,
            "aria-controls": `panel-${name}`,
            "aria-keyshortcuts": key,
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
    if (!before) this.show(this.tab);
    else if (this.tab !== "output" && JSON.stringify(before) !== JSON.stringify(agent)) this.show(this.tab);
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
    if (name === "output") this.#output();
    if (name === "history") this.#history();
    if (name === "details") replace(this.panels[2], detailsPanel(this.agent));
  }

  #tabKey(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const tabs = [...this.tabs.children];
    const next = tabs[(tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length];
    next.focus();
    next.click();
  }

  #output() {
    if (!this.terminal) {
      this.terminal = new Terminal(this.agent, { onState: this.onState });
      this.panels[0].append(this.terminal.element);
      this.terminal.open();
    }
    this.terminal.view.draw();
  }

  async #history() {
    const panel = this.panels[1];
    try {
      replace(panel, historyPanel(await eventsOf(this.id)));
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
