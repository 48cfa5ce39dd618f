/**
 * Lines laid out in rows of equal height, `cols` cells wide: what makes a million lines cheap to scroll. Pure.
 *
 * A long line has several rows; one of a megabyte has thousands, and only those on screen are ever made. How many rows
 * a block has is exact where it is plain text, else an estimate until it is looked at.
 */

import { runs } from "./ansi.js";

const ODD = /[^\u0020-\u007e\n]/;
const ZERO = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const WIDE = new RegExp(
  "^[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\ua960-\\ua97f\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f" +
    "\\uff00-\\uff60\\uffe0-\\uffe6\\u{1f300}-\\u{1f64f}\\u{1f680}-\\u{1faff}\\u{20000}-\\u{3fffd}]$",
  "u",
);
const TAB = 8;

/** How many cells a character takes. */
export function cells(char) {
  if (char <= "~") return 1;
  return ZERO.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
}

/** The rows of a line's runs, at most `cols` cells each; at least one. */
export function wrap(line, cols) {
  const rows = [[]];
  let used = 0;
  const put = (text, run) => rows[rows.length - 1].push({ text, style: run.style, control: run.control });
  const newRow = () => {
    rows.push([]);
    used = 0;
  };
  for (const run of line) {
    if (!ODD.test(run.text)) {
      for (let from = 0; from < run.text.length;) {
        if (used >= cols) newRow();
        const piece = run.text.slice(from, from + cols - used);
        put(piece, run);
        used += piece.length;
        from += piece.length;
      }
      continue;
    }
    let held = "";
    for (const char of run.text) {
      const width = char === "\t" ? TAB - (used % TAB) : cells(char);
      if (used + width > cols) {
        if (held) put(held, run);
        held = "";
        newRow();
      }
      held += char === "\t" ? " ".repeat(Math.min(width, cols - used)) : char;
      used += width;
    }
    if (held) put(held, run);
  }
  return rows;
}

/** Says how many rows a block has for `cols`, roughly where it is not plain. */
export function measure(block, cols) {
  block.first = null;
  let rows = 0;
  for (let i = 0; i < block.count; i++) {
    const length = block.ends[i] - (i === 0 ? -block.head.length : block.ends[i - 1] + 1);
    rows += length <= cols ? 1 : Math.ceil(length / cols);
  }
  block.rows = rows;
}

/** Rows by line of the blocks that are looked at; the lines that were laid out lately are kept. */
export class Layout {
  #lines = new Map();

  constructor() {
    this.cols = 80;
    this.raw = false;
  }

  forget() {
    this.#lines.clear();
  }

  /** The rows of line i of a block. */
  line(block, i) {
    const key = block.id * 1e6 + i;
    let rows = this.#lines.get(key);
    if (!rows) {
      rows = wrap(runs(block.line(i), block.styleOf(i), this.raw), this.cols);
      if (this.#lines.size > 3000) this.#lines.clear();
      this.#lines.set(key, rows);
    }
    return rows;
  }

  /** Know a block's rows exactly: `first[i]` is the row at which its line i begins. */
  settle(block) {
    if (block.first) return;
    block.first = new Int32Array(block.count + 1);
    const isPlain = !this.raw && !ODD.test(block.head) && !ODD.test(block.text);
    for (let i = 0; i < block.count; i++) {
      const from = i === 0 ? -block.head.length : block.ends[i - 1] + 1;
      const rows = isPlain ? Math.max(1, Math.ceil((block.ends[i] - from) / this.cols)) : this.#count(block, i);
      block.first[i + 1] = block.first[i] + rows;
    }
    block.rows = block.first[block.count];
  }

  #count(block, i) {
    const line = block.line(i);
    return !this.raw && !ODD.test(line) ? Math.max(1, Math.ceil(line.length / this.cols)) : this.line(block, i).length;
  }

  /** The line of a settled block that has its row r. */
  lineAt(block, r) {
    let [low, high] = [0, block.count - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (block.first[middle] <= r) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
