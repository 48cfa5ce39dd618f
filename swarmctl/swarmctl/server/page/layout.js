/**
 * Lines laid out in rows of equal height, `cols` cells wide: what makes a million lines cheap to scroll. Pure.
 *
 * A long line has several rows; one of a megabyte has thousands, and only those on screen are ever made. How many rows
 * a block has is an estimate until it is looked at.
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
const LONGEST_WORD = 24; // that is not cut, where it does not fit any more

/** How many cells a character takes. */
export function cells(char) {
  if (char <= "~") return 1;
  return ZERO.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
}

/** Where the rows of a text end, at most `cols` cells each; between words where one ends near enough. */
export function breaks(text, cols) {
  const ends = [];
  const isPlain = !ODD.test(text);
  for (let from = 0; ;) {
    let end = isPlain ? from + cols : reach(text, from, cols);
    if (end >= text.length) return [...ends, text.length];
    if (text[end] === " ") {
      end++; // a space at a row's end is not seen
    } else {
      const space = text.slice(Math.max(from + 1, end - LONGEST_WORD), end).lastIndexOf(" ");
      if (space >= 0) end = Math.max(from + 1, end - LONGEST_WORD) + space + 1;
    }
    ends.push(end);
    from = end;
  }
}

/** How far a row that begins at `from` reaches; at least one character. */
function reach(text, from, cols) {
  let used = 0;
  let place = from;
  for (const char of text.slice(from, from + 4 * cols)) {
    used += cells(char);
    if (used > cols && place > from) return place;
    place += char.length;
  }
  return place;
}

/** The rows of a line's runs, at most `cols` cells each; at least one. */
export function wrap(line, cols) {
  const runs = expanded(line);
  const rows = [];
  let k = 0; // the run that the row begins in, and the place in it
  let inside = 0;
  let from = 0;
  for (const end of breaks(runs.map((run) => run.text).join(""), cols)) {
    const row = [];
    for (let left = end - from; left > 0;) {
      const run = runs[k];
      const text = run.text.slice(inside, inside + left);
      row.push({ text, style: run.style, control: run.control });
      left -= text.length;
      inside += text.length;
      if (inside === run.text.length) [k, inside] = [k + 1, 0];
    }
    rows.push(row);
    from = end;
  }
  return rows;
}

/** Tabs as spaces. */
function expanded(line) {
  if (!line.some((run) => run.text.includes("\t"))) return line;
  let column = 0;
  return line.map((run) => {
    let text = "";
    for (const char of run.text) {
      const piece = char === "\t" ? " ".repeat(TAB - (column % TAB)) : char;
      column += char === "\t" ? piece.length : cells(char);
      text += piece;
    }
    return { ...run, text };
  });
}

/** Says roughly how many rows a block has for `cols`. */
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
      const length = block.ends[i] - (i === 0 ? -block.head.length : block.ends[i - 1] + 1);
      block.first[i + 1] = block.first[i] + (isPlain && length <= this.cols ? 1 : this.#count(block, i));
    }
    block.rows = block.first[block.count];
  }

  #count(block, i) {
    const line = block.line(i);
    return !this.raw && !ODD.test(line) ? breaks(line, this.cols).length : this.line(block, i).length;
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
