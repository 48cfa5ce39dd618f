/**
 * Output on screen: the rows that can be seen of a window of millions, and no more.
 *
 * Rows have one height, so a place is a number. What holds the eye is an anchor, the line at the top; it stays where it
 * is when rows are added above, the width changes or a stream is hidden. An element stays as long as its row is seen,
 * so that a selection lives while output arrives.
 */

import { look } from "./colours.js";
import { el, replace } from "./dom.js";
import { Layout } from "./layout.js";
import { clock } from "./text.js";

const NEAR = 300; // rows from an edge at which more is read
const OVERSCAN = 8;
const UNWRAPPED = 2000; // cells of a row where lines are not wrapped

export class OutputView {
  #frame = 0;
  #setTop = -1; // where we have scrolled to last, until somebody else scrolls
  #seenTop = 0;
  #rows = new Map(); // key → element

  constructor({ onScroll = () => {}, onFollow = () => {}, onWant = () => {} } = {}) {
    this.layout = new Layout();
    this.source = null;
    this.isFollowing = true;
    this.wraps = true;
    this.showsTimes = false;
    this.query = "";
    this.onScroll = onScroll;
    this.onFollow = onFollow;
    this.onWant = onWant;
    this.list = el("div", { class: "rows" });
    this.sizer = el("div", { class: "sizer" }, this.list);
    this.element = el(
      "div",
      { class: "screen", role: "log", tabindex: "0", "aria-label": "Output", "aria-live": "off" },
      this.sizer,
    );
    this.probe = el("span", { class: "probe", "aria-hidden": "true" }, "0".repeat(100));
    this.element.append(this.probe);
    this.element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.element.addEventListener("copy", (event) => this.#copy(event));
    this.observer = new ResizeObserver(() => this.#resized());
    this.observer.observe(this.element);
  }

  show(source) {
    this.source = source;
    this.isFollowing = true;
    this.layout.forget();
    this.#rows.clear();
    replace(this.list);
    this.#resized();
    this.draw();
  }

  close() {
    this.observer.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  /** Draw in the next frame. */
  draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  follow(on) {
    if (this.isFollowing === on) return;
    this.isFollowing = on;
    this.onFollow(on);
    this.draw();
  }

  /** Something changed that all rows depend on; the line at the top stays there. */
  again(change = () => {}) {
    const anchor = this.#anchor();
    change();
    this.layout.forget();
    this.#rows.clear();
    replace(this.list);
    this.source?.window.relayout(this.layout.cols);
    if (!this.isFollowing) this.#restore(anchor);
    this.#resized();
    this.draw();
  }

  /** Records were added before the first: what is on screen stays. */
  keep(change) {
    const anchor = this.#anchor();
    change();
    if (!this.isFollowing) this.#restore(anchor);
    this.draw();
  }

  /** Bring line i of record n's block into the middle. */
  reveal({ n, i }) {
    this.follow(false);
    this.source.window.settle();
    const block = this.source.window.ofRecord(n);
    if (!block) return;
    this.layout.settle(block);
    this.source.window.settle();
    this.sizer.style.height = `${this.source.window.rows * this.rowHeight}px`;
    const row = block.top + block.first[Math.min(i, block.count - 1)];
    this.#scrollTo(Math.max(0, (row + 0.5) * this.rowHeight - this.element.clientHeight / 2));
    this.draw();
  }

  /** The number of the record at the top. */
  get place() {
    return this.#anchor()?.n ?? 0;
  }

  #resized() {
    const cell = this.probe.getBoundingClientRect();
    if (!cell.width) return;
    this.rowHeight = Math.round(cell.height) || 18;
    const gutter = this.showsTimes ? 17 : 4;
    const fitting = Math.floor((this.element.clientWidth - 16) / (cell.width / 100)) - gutter;
    const cols = this.wraps ? Math.max(10, fitting) : UNWRAPPED;
    if (cols !== this.layout.cols) {
      this.layout.cols = cols;
      this.again();
    }
    this.draw();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    const isUp = scrollTop < this.#seenTop - 1;
    this.#seenTop = scrollTop;
    this.draw();
    if (Math.abs(scrollTop - this.#setTop) < 2) return;
    const isAtEnd = scrollTop >= scrollHeight - clientHeight - 2;
    // A wheel that still rolls down when somebody goes to the end does not take them away from there.
    if (this.isFollowing && !isAtEnd && isUp) this.follow(false);
    else if (!this.isFollowing && isAtEnd && this.source?.mode === "live" && scrollTop > this.#setTop)
      this.follow(true);
    this.#setTop = -1;
  }

  #scrollTo(top) {
    this.element.scrollTop = top;
    this.#setTop = this.#seenTop = this.element.scrollTop;
  }

  #anchor() {
    const window = this.source?.window;
    if (!window || !window.rows || !this.rowHeight) return null;
    const all = window.settle();
    const row = Math.min(window.rows - 1, Math.floor(this.element.scrollTop / this.rowHeight));
    const block = all[window.at(row)];
    if (!block || !block.rows) return null;
    this.layout.settle(block);
    const inside = Math.min(block.rows - 1, row - block.top);
    const i = this.layout.lineAt(block, inside);
    return { n: block.n, i, sub: inside - block.first[i], px: this.element.scrollTop - row * this.rowHeight };
  }

  #restore(anchor) {
    const window = this.source?.window;
    if (!anchor || !window) return;
    if (!window.settle().length) return;
    const block = window.ofRecord(anchor.n);
    if (block.rows) this.layout.settle(block);
    window.settle();
    const line = block.first ? block.first[Math.min(anchor.i, block.count - 1)] : 0;
    this.sizer.style.height = `${window.rows * this.rowHeight}px`;
    this.#scrollTo((block.top + line + anchor.sub) * this.rowHeight + anchor.px);
  }

  #draw() {
    const window = this.source?.window;
    if (!window || !this.rowHeight || !this.element.clientHeight) return;
    if (this.isFollowing) window.trimFront();
    const [from, to] = this.#settled(window);
    this.#fill(window, from, to);
    this.list.style.transform = `translateY(${from * this.rowHeight}px)`;
    this.#want(window, from, to);
    this.onScroll();
  }

  /** The range of rows on screen, once all that can be seen is laid out exactly. */
  #settled(window) {
    const shown = Math.ceil(this.element.clientHeight / this.rowHeight);
    for (let attempt = 0; ; attempt++) {
      const all = window.settle();
      this.sizer.style.height = `${window.rows * this.rowHeight}px`;
      if (this.isFollowing) this.#scrollTo(Math.max(0, window.rows * this.rowHeight - this.element.clientHeight));
      const top = Math.floor(this.element.scrollTop / this.rowHeight);
      const from = Math.max(0, top - OVERSCAN);
      const to = Math.min(window.rows, top + shown + OVERSCAN);
      const rough = [];
      for (let k = all.length ? window.at(from) : 0; k < all.length && all[k].top < to; k++) {
        if (all[k].rows && !all[k].first) rough.push(all[k]);
      }
      if (!rough.length || attempt > 5) return [from, to];
      const anchor = this.#anchor();
      for (const block of rough) this.layout.settle(block);
      if (!this.isFollowing) this.#restore(anchor);
    }
  }

  #fill(window, from, to) {
    const wanted = [];
    for (let k = window.all.length ? window.at(from) : 0; k < window.all.length && window.all[k].top < to; k++) {
      const block = window.all[k];
      if (!block.rows || !block.first) continue;
      for (let row = Math.max(from, block.top); row < Math.min(to, block.top + block.rows); row++) {
        const i = this.layout.lineAt(block, row - block.top);
        wanted.push([`${block.id} ${row - block.top}`, block, i, row - block.top - block.first[i]]);
      }
    }
    const kept = new Map();
    for (const [key, block, i, sub] of wanted) kept.set(key, this.#rows.get(key) ?? this.#row(block, i, sub));
    for (const [key, element] of this.#rows) if (!kept.has(key)) element.remove();
    let place = this.list.firstChild;
    for (const element of kept.values()) {
      if (element === place) place = place.nextSibling;
      else this.list.insertBefore(element, place);
    }
    this.#rows = kept;
  }

  #row(block, i, sub) {
    const row = el("div", { class: `row ${block.stream}${sub ? " more" : ""}` });
    const time = sub === 0 && this.showsTimes ? clock(block.time, true) : "";
    const sign = sub === 0 && block.stream === "stderr" ? "err" : "";
    row.append(
      el("span", { class: "gutter", "aria-hidden": sign ? null : "true" }, [time, sign].filter(Boolean).join(" ")),
    );
    if (sub === 0 && i === 0 && block.isCut)
      row.append(el("span", { class: "control", title: "the line's beginning is further up" }, "\u2026"));
    const theme = document.documentElement.dataset.theme;
    for (const piece of this.layout.line(block, i)[sub] ?? []) {
      for (const [text, isHit] of this.#split(piece.text)) {
        const span = el(isHit ? "mark" : "span", { class: piece.control ? "control" : null }, text);
        if (piece.style.fg !== null || piece.style.bg !== null || piece.style.flags)
          Object.assign(span.style, look(piece.style, theme));
        row.append(span);
      }
    }
    return row;
  }

  /** A text by what was searched for: [text, whether it is that]. */
  #split(text) {
    if (!this.query) return [[text, false]];
    const low = text.toLowerCase();
    const query = this.query.toLowerCase();
    if (low.length !== text.length) return [[text, false]];
    const parts = [];
    let place = 0;
    for (let hit = low.indexOf(query); hit >= 0; hit = low.indexOf(query, place)) {
      if (hit > place) parts.push([text.slice(place, hit), false]);
      parts.push([text.slice(hit, hit + query.length), true]);
      place = hit + query.length;
    }
    if (place < text.length) parts.push([text.slice(place), false]);
    return parts;
  }

  #want(window, from, to) {
    if (!this.isFollowing && from < NEAR && window.first > 0) this.onWant("before");
    else if (this.isFollowing && window.rows < to - from && window.first > 0) this.onWant("before");
    else if (to > window.rows - NEAR && this.source.mode === "still") this.onWant("after");
    if (!this.isFollowing && this.source.mode === "live" && window.isFull) this.onWant("stillness");
  }

  /** What is copied has the lines' own ends, not those of the screen. */
  #copy(event) {
    const selection = getSelection();
    if (!selection.rangeCount || !event.clipboardData) return;
    const rows = [...selection.getRangeAt(0).cloneContents().querySelectorAll(".row")];
    if (rows.length < 2) return;
    for (const row of rows) row.querySelector(".gutter")?.remove();
    event.clipboardData.setData(
      "text/plain",
      rows.map((row, k) => (k && !row.classList.contains("more") ? "\n" : "") + row.textContent).join(""),
    );
    event.preventDefault();
  }
}
