/**
 * All agents, a row each; only the rows on screen are made. Search, filters by state, order.
 */

import { LIVE, STATES, ageOf, endingOf, statusOf, titleOf, tokensOf } from "./agents.js";
import { el, replace, setText } from "./dom.js";
import { commandLine, number, span, visible } from "./text.js";

const FILTERS = ["live", "silent", "lost?", ...STATES];
const OVERSCAN = 6;

export class AgentList {
  #frame = 0;
  #rows = new Map();
  #chips = new Map();

  constructor(agents, lasts, { onOpen, onSpawn }) {
    this.agents = agents;
    this.lasts = lasts;
    this.onOpen = onOpen;
    this.onSpawn = onSpawn;
    this.text = "";
    this.states = new Set();
    this.sort = "active";
    this.selected = null;
    this.current = null; // the agent that is open beside the list
    this.chosen = [];
    this.element = this.#frameOf();
    new ResizeObserver(() => this.draw()).observe(this.scroller);
    setInterval(() => this.draw(), 1000); // ages
  }

  #frameOf() {
    this.search = el("input", {
      type: "search",
      id: "search",
      placeholder: "Search name, id, command, label",
      "aria-label": "Search agents",
      autocomplete: "off",
      spellcheck: "false",
      "aria-keyshortcuts": "/",
    });
    this.search.addEventListener("input", () => this.refilter(() => (this.text = this.search.value)));
    this.search.addEventListener("keydown", (event) => this.#searchKey(event));
    this.order = el(
      "select",
      { "aria-label": "Order", id: "order" },
      [
        ["active", "Living first"],
        ["newest", "Newest"],
        ["oldest", "Oldest"],
        ["name", "Name"],
        ["state", "State"],
      ].map(([value, text]) => el("option", { value }, text)),
    );
    this.order.addEventListener("change", () => this.refilter(() => (this.sort = this.order.value)));
    this.filters = el("div", { class: "chips", role: "group", "aria-label": "Filter by state" });
    this.sizer = el("div", { class: "sizer", role: "presentation" });
    this.scroller = el(
      "div",
      { class: "agents", role: "grid", tabindex: "0", "aria-label": "Agents", "aria-readonly": "true" },
      this.sizer,
    );
    this.scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.#key(event));
    this.empty = el("div", { class: "empty", hidden: true });
    const head = el(
      "div",
      { class: "agent head", "aria-hidden": "true" },
      ["State", "Agent", "Labels", "Last output", "Tokens", "Run", "Age"].map((text, i) =>
        el("span", { class: COLUMNS[i] }, text),
      ),
    );
    return el(
      "section",
      { class: "list", "aria-label": "Agents" },
      el("div", { class: "tools" }, this.search, this.order),
      this.filters,
      head,
      this.scroller,
      this.empty,
    );
  }

  refilter(change) {
    change();
    this.scroller.scrollTop = 0;
    this.draw();
  }

  toggle(state) {
    this.refilter(() => (this.states.has(state) ? this.states.delete(state) : this.states.add(state)));
  }

  draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  /** The agent that is open: selected, and brought to where it is seen. */
  open(id) {
    this.current = id;
    if (id) this.selected = id;
    this.isToBeSeen = Boolean(id);
    this.draw();
  }

  /** Select the agent that is `by` rows away. */
  move(by) {
    if (!this.chosen.length) return;
    const now = this.chosen.findIndex((agent) => agent.id === this.selected);
    const from = now >= 0 ? now : by > 0 ? -1 : 1;
    const next = Math.max(0, Math.min(this.chosen.length - 1, from + by));
    this.select(this.chosen[next].id);
  }

  select(id) {
    this.selected = id;
    this.#bringToSight(id);
    this.draw();
  }

  /** Scroll as far as it takes for an agent's row to be seen. */
  #bringToSight(id) {
    const index = this.chosen.findIndex((agent) => agent.id === id);
    const height = this.rowHeight;
    if (index < 0 || !height) return;
    const { scrollTop, clientHeight } = this.scroller;
    if (index * height < scrollTop) this.scroller.scrollTop = index * height;
    else if ((index + 1) * height > scrollTop + clientHeight)
      this.scroller.scrollTop = (index + 1) * height - clientHeight;
    this.isToBeSeen = false;
  }

  #searchKey(event) {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      if (!this.chosen.some((agent) => agent.id === this.selected)) this.move(1);
      if (event.key === "Enter" && this.selected) this.onOpen(this.selected);
      this.scroller.focus();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      if (this.search.value) this.refilter(() => (this.text = this.search.value = ""));
      else this.scroller.focus();
    }
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / (this.rowHeight || 32)) - 1);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (by) this.move(by);
    else if (event.key === "Enter" && this.selected) this.onOpen(this.selected);
    else return;
    event.preventDefault();
  }

  #draw() {
    if (!this.element.isConnected) return;
    this.chosen = this.agents.chosen(this);
    this.#drawChips();
    this.#drawEmpty();
    this.element.classList.toggle("no-tokens", !this.chosen.some((agent) => tokensOf(agent) !== null));
    this.rowHeight = parseInt(getComputedStyle(this.scroller).getPropertyValue("--row"), 10) || 34;
    this.sizer.style.height = `${this.chosen.length * this.rowHeight}px`;
    if (this.isToBeSeen) this.#bringToSight(this.selected);
    this.scroller.setAttribute("aria-rowcount", String(this.chosen.length));
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / this.rowHeight) - OVERSCAN);
    const last = Math.min(
      this.chosen.length,
      Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / this.rowHeight) + OVERSCAN,
    );
    const seen = this.chosen.slice(first, last);
    this.lasts.shown = seen;
    const kept = new Map();
    for (const [k, agent] of seen.entries()) {
      const row = this.#rows.get(agent.id) ?? this.#newRow(agent.id);
      row.style.transform = `translateY(${(first + k) * this.rowHeight}px)`;
      row.setAttribute("aria-rowindex", String(first + k + 1));
      this.#fill(row, agent);
      kept.set(agent.id, row);
    }
    for (const [id, row] of this.#rows) if (!kept.has(id)) row.remove();
    for (const row of kept.values()) if (!row.isConnected) this.sizer.append(row);
    this.#rows = kept;
    if (this.selected && kept.has(this.selected))
      this.scroller.setAttribute("aria-activedescendant", `agent-${this.selected}`);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  #newRow(id) {
    const row = el("div", { class: "agent", role: "row", id: `agent-${id}` });
    for (const column of COLUMNS) row.append(el("span", { class: column, role: "gridcell" }));
    row.addEventListener("click", () => {
      this.selected = id;
      this.onOpen(id);
    });
    return row;
  }

  #fill(row, agent) {
    const [state, name, labels, last, tokens, run, age] = row.children;
    const status = statusOf(agent);
    setState(state, status, endingOf(agent));
    const title = titleOf(agent);
    if (row.dataset.title !== title)
      replace(name, el("bdi", { class: "title" }, title), agent.name ? el("span", { class: "id" }, agent.id) : null);
    row.dataset.title = title;
    const words = Object.entries(agent.labels ?? {}).map(([key, value]) => visible(`${key}=${value}`));
    if (row.dataset.labels !== words.join("\n"))
      replace(
        labels,
        words.map((word) => el("bdi", { class: "label" }, word)),
      );
    row.dataset.labels = words.join("\n");
    const line = this.lasts.of(agent.id)?.text;
    setText(last, line || commandLine(agent.command));
    last.classList.toggle("command", !line);
    const used = tokensOf(agent);
    setText(tokens, used === null ? "" : number(used, true));
    setText(run, agent.run > 1 ? `run ${agent.run}` : "");
    setText(age, span(ageOf(agent, Date.now())));
    age.title = agent.created_at;
    row.classList.toggle("selected", agent.id === this.selected);
    row.classList.toggle("open", agent.id === this.current);
    row.classList.toggle("ended", !LIVE.has(agent.state));
    row.setAttribute("aria-selected", String(agent.id === this.selected));
  }

  #drawChips() {
    const counts = this.agents.counts();
    counts.set("live", [...this.agents.byId.values()].filter((agent) => LIVE.has(agent.state)).length);
    for (const state of FILTERS) {
      let chip = this.#chips.get(state);
      if (!chip) {
        chip = el(
          "button",
          { type: "button", class: "chip", "data-state": state, onclick: () => this.toggle(state) },
          el("span", { class: "dot", "aria-hidden": "true" }),
          el("span", {}, state),
          el("span", { class: "count" }),
        );
        this.#chips.set(state, chip);
        this.filters.append(chip);
      }
      const count = counts.get(state) ?? 0;
      chip.hidden = !count && !this.states.has(state);
      chip.setAttribute("aria-pressed", String(this.states.has(state)));
      setText(chip.lastChild, number(count, true));
    }
  }

  #drawEmpty() {
    const reason = this.chosen.length ? "" : !this.agents.isWhole ? "loading" : this.agents.byId.size ? "none" : "new";
    if (this.empty.dataset.reason === reason) return;
    this.empty.dataset.reason = reason;
    this.empty.hidden = !reason;
    if (reason === "loading") replace(this.empty, el("p", {}, "Reading the log\u2026"));
    if (reason === "none") {
      const clear = () => this.refilter(() => ((this.text = this.search.value = ""), this.states.clear()));
      replace(
        this.empty,
        el("h2", {}, "No agent matches"),
        el("button", { type: "button", onclick: clear }, "Show all"),
      );
    }
    if (reason === "new") {
      replace(
        this.empty,
        el("h2", {}, "No agents yet"),
        el("p", {}, "Spawn one here, or in a terminal:"),
        el("code", {}, "swarmctl spawn --name build -- make -j4"),
        el("button", { type: "button", class: "primary", onclick: () => this.onSpawn() }, "Spawn an agent"),
      );
    }
  }
}

const COLUMNS = ["state", "name", "labels", "last", "tokens", "run", "age"];

/** Show a state in an element: a colour, a shape and the word. */
export function setState(element, status, more = "") {
  if (element.dataset.state === status && element.dataset.more === more) return;
  element.dataset.state = status;
  element.dataset.more = more;
  replace(
    element,
    el("span", { class: "dot", "aria-hidden": "true" }),
    el("span", { class: "word" }, status),
    more && el("span", { class: "ending" }, more),
  );
}
