/**
 * The output of one agent with its tools: follow, first and last, search, streams, times, wrapping, download.
 */

import { download } from "./actions.js";
import { el, setText } from "./dom.js";
import { find } from "./find.js";
import { OutputView } from "./output.js";
import { OutputSource } from "./source.js";
import { bytes, number } from "./text.js";

export class Terminal {
  #search = 0; // which search is the current one
  #rate = { at: 0, received: 0, value: 0 };

  constructor(agent, { onState }) {
    this.agent = agent;
    this.view = new OutputView({
      onScroll: () => this.#status(),
      onFollow: () => this.#buttons(),
      onWant: (what) => this.#want(what),
    });
    this.source = new OutputSource(agent.id, 80, {
      onChange: () => this.view.draw(),
      onState,
      keep: (change) => this.view.keep(change),
    });
    this.element = el("div", { class: "terminal" }, this.#tools(), this.view.element, this.#foot());
    this.timer = setInterval(() => this.#measure(), 1000);
    this.#buttons();
  }

  async open() {
    this.view.show(this.source);
    await this.source.last();
  }

  close() {
    clearInterval(this.timer);
    this.#search++;
    this.source.close();
    this.view.close();
  }

  focus() {
    this.view.element.focus({ preventScroll: true });
  }

  async first() {
    this.view.follow(false);
    if (this.source.window.first > 0) {
      await this.source.from(0);
      this.view.element.scrollTop = 0;
    }
    this.view.element.scrollTop = 0;
    this.view.draw();
  }

  async last() {
    await this.source.last();
    this.view.follow(true);
    this.view.draw();
  }

  download() {
    download(this.agent);
  }

  toggle(name) {
    if (name === "follow") return this.view.isFollowing ? this.view.follow(false) : this.last();
    if (name === "stdout" || name === "stderr") {
      const hidden = this.source.window.hidden;
      this.view.again(() => (hidden.has(name) ? hidden.delete(name) : hidden.add(name)));
    }
    if (name === "times") this.view.again(() => (this.view.showsTimes = !this.view.showsTimes));
    if (name === "wrap") this.view.again(() => (this.view.wraps = !this.view.wraps));
    if (name === "raw") this.view.again(() => (this.view.layout.raw = !this.view.layout.raw));
    return this.#buttons();
  }

  #want(what) {
    if (what === "stillness") this.source.still();
    else if (!this.source.isReading) queueMicrotask(() => this.source[what]());
  }

  #tools() {
    const button = (name, text, key, title) =>
      el(
        "button",
        {
          type: "button",
          class: "toggle",
          "data-name": name,
          title: `${title} (${key})`,
          "aria-keyshortcuts": key,
          onclick: () => this.toggle(name),
        },
        text,
      );
    this.query = el("input", {
      type: "search",
      id: "find",
      placeholder: "Search in the output",
      "aria-label": "Search in the output",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.query.addEventListener("keydown", (event) => this.#queryKey(event));
    this.found = el("span", { class: "count", role: "status" });
    this.toggles = el(
      "div",
      { class: "toggles", role: "group", "aria-label": "Output" },
      button("follow", "Follow", "f", "Follow the end"),
      button("stdout", "stdout", "o", "Show stdout"),
      button("stderr", "stderr", "e", "Show stderr"),
      button("wrap", "Wrap", "w", "Wrap long lines"),
      button("times", "Times", "t", "When each line came"),
      button("raw", "Raw", "x", "Show control characters"),
    );
    const save = el(
      "button",
      {
        type: "button",
        class: "quiet",
        title: "Download (d)",
        "aria-keyshortcuts": "d",
        onclick: () => this.download(),
      },
      "Download",
    );
    return el("div", { class: "tools" }, el("div", { class: "finder" }, this.query, this.found), this.toggles, save);
  }

  #foot() {
    this.slider = el("input", { type: "range", min: "0", max: "0", step: "1", "aria-label": "Place in the output" });
    this.slider.addEventListener("change", () => this.#jump(Number(this.slider.value)));
    this.numbers = el("span", { class: "numbers" });
    return el(
      "div",
      { class: "foot" },
      el(
        "button",
        {
          type: "button",
          class: "quiet",
          title: "To the first byte (g)",
          "aria-keyshortcuts": "g",
          onclick: () => this.first(),
        },
        "First",
      ),
      this.slider,
      el(
        "button",
        {
          type: "button",
          class: "quiet",
          title: "To the end, and follow (G)",
          "aria-keyshortcuts": "Shift+G",
          onclick: () => this.last(),
        },
        "Last",
      ),
      this.numbers,
    );
  }

  async #jump(n) {
    this.view.follow(false);
    await this.source.from(n);
    this.view.element.scrollTop = 1;
    this.view.draw();
  }

  #buttons() {
    const { window } = this.source ?? {};
    const on = {
      follow: this.view.isFollowing,
      stdout: !window?.hidden.has("stdout"),
      stderr: !window?.hidden.has("stderr"),
      wrap: this.view.wraps,
      times: this.view.showsTimes,
      raw: this.view.layout.raw,
    };
    for (const button of this.toggles?.children ?? [])
      button.setAttribute("aria-pressed", String(on[button.dataset.name]));
  }

  #measure() {
    const { received } = this.source;
    this.#rate = { received, value: received - this.#rate.received };
    this.#status();
  }

  #status() {
    const { window, tail, mode } = this.source;
    this.slider.max = String(Math.max(1, tail));
    if (document.activeElement !== this.slider || !this.slider.matches(":active")) {
      this.slider.value = String(this.view.isFollowing ? tail : this.view.place);
    }
    const percent = tail ? Math.round((100 * Number(this.slider.value)) / tail) : 100;
    this.slider.setAttribute("aria-valuetext", `${percent} %`);
    const rate = this.#rate.value > 0 && mode === "live" ? `${bytes(this.#rate.value)}/s` : "";
    const range = window.first > 0 || window.next < tail ? `${percent} %` : "whole";
    const isEmpty = tail === 0 && mode === "live";
    setText(
      this.numbers,
      isEmpty ? "nothing written yet" : [rate, `${number(window.rows)} rows`, range].filter(Boolean).join(" \u00b7 "),
    );
    this.element.classList.toggle("empty-output", isEmpty);
  }

  #queryKey(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.search(event.shiftKey ? 1 : -1);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      this.query.value = "";
      this.search(0);
      this.focus();
    }
  }

  /** Find the next place upwards (-1) or downwards (1) that has what was asked for. */
  async search(by) {
    const mine = ++this.#search;
    const query = this.query.value;
    if (query !== this.view.query) {
      this.hit = null;
      this.view.again(() => (this.view.query = query));
    }
    setText(this.found, "");
    if (!query || !by) return;
    const isOver = () => mine !== this.#search;
    const onProgress = (left) => !isOver() && setText(this.found, `${number(left, true)} left`);
    const found = await find(this.source, query, by, this.hit, { onProgress, isOver }).catch((error) => {
      if (!isOver()) setText(this.found, error.message);
    });
    if (isOver() || found === undefined) return;
    setText(this.found, found ? "" : by < 0 ? "nothing further up" : "nothing further down");
    if (!found) return;
    this.hit = found;
    this.view.reveal(found);
  }
}
