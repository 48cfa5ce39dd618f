/**
 * The part of an agent's output that is in memory: a window of its stream, from record `first` up to `next`.
 *
 * It is bounded: what is added at one end makes room at the other. What was let go is read again from the stream when
 * somebody scrolls there, because any record can be asked for by its number.
 */

import { measure } from "./layout.js";
import { Splitter, chunkOf } from "./lines.js";

export const MOST_BYTES = 24 << 20;
const PART = 0.4; // of what may be kept, added at once
export const MOST_BLOCKS = 120_000;

export class OutputWindow {
  constructor(cols, { mostBytes = MOST_BYTES, mostBlocks = MOST_BLOCKS } = {}) {
    this.cols = cols;
    this.mostBytes = mostBytes;
    this.mostBlocks = mostBlocks;
    this.hidden = new Set(); // streams that are not shown
    this.clear(0);
  }

  clear(n) {
    this.first = n;
    this.next = n;
    this.size = 0;
    this.chunks = [];
    this.blocks = [];
    this.rests = [];
    this.rows = 0;
    this.splitter = new Splitter();
    this.changed = true;
  }

  get isFull() {
    return this.size >= this.mostBytes || this.chunks.length >= this.mostBlocks;
  }

  /**
   * Add records at the end, those that are there already left out; no more than a part of what may be kept, where
   * `isPart`, so that what is on screen stays. Returns whether all were added.
   */
  append(records, isPart = false) {
    const most = this.size + (isPart ? this.mostBytes * PART : Infinity);
    for (const record of records) {
      if (record.offset < this.next) continue;
      if (this.size > most) return false;
      const chunk = chunkOf(record);
      this.chunks.push(chunk);
      this.size += chunk.size;
      this.next = record.offset + 1;
      this.#add(chunk);
      this.changed = true;
    }
    return true;
  }

  #add(chunk) {
    if (chunk.stream === "mark") this.blocks.push(...this.#finished());
    const block = this.splitter.feed(chunk);
    if (block) this.blocks.push(this.#measured(block));
  }

  /** At a run's end its unfinished lines are lines. */
  #finished() {
    const left = this.splitter.rests().map((block) => this.#measured(block));
    if (left.length) this.splitter.drop();
    return left;
  }

  /** Add the records before the first one. Lines that were cut there are whole then: all is split anew. */
  prepend(records) {
    const all = records.filter((record) => record.offset < this.first).map(chunkOf);
    const most = this.size + this.mostBytes * PART;
    const before = [];
    while (all.length && this.size <= most) {
      before.unshift(all.pop());
      this.size += before[0].size;
    }
    if (!before.length) return;
    this.chunks = [...before, ...this.chunks];
    this.first = before[0].n;
    while (this.#isOver && this.chunks.length > before.length) {
      const last = this.chunks.pop();
      this.size -= last.size;
      this.next = last.n;
    }
    this.#rebuild();
  }

  /** Let go of what is before, while there is too much. Returns how many rows went. */
  trimFront() {
    if (!this.#isOver) return 0;
    let gone = 0;
    let size = this.size;
    const most = this.mostBytes * 0.85;
    while (gone < this.chunks.length - 1 && (size > most || this.chunks.length - gone > this.mostBlocks * 0.85)) {
      size -= this.chunks[gone++].size;
    }
    this.chunks = this.chunks.slice(gone);
    this.size = size;
    this.first = this.chunks[0].n;
    let rows = 0;
    let k = 0;
    while (k < this.blocks.length && this.blocks[k].n < this.first) rows += this.blocks[k++].rows;
    this.blocks = this.blocks.slice(k);
    this.changed = true;
    return rows;
  }

  get #isOver() {
    return this.size > this.mostBytes || this.chunks.length > this.mostBlocks;
  }

  #rebuild() {
    this.blocks = [];
    this.splitter = new Splitter();
    this.size = 0;
    for (const chunk of this.chunks) {
      this.size += chunk.size;
      this.#add(chunk);
    }
    this.changed = true;
  }

  /** Lay all out anew, for another width or other streams. */
  relayout(cols) {
    this.cols = cols;
    for (const block of this.blocks) this.#measured(block);
    this.changed = true;
  }

  #measured(block) {
    measure(block, this.cols);
    if (this.hidden.has(block.stream)) block.rows = 0;
    return block;
  }

  /** All blocks with where they stand, the unfinished lines last. */
  settle() {
    if (this.changed) {
      this.rests = this.splitter.rests().map((block) => this.#measured(block));
      this.all = [...this.blocks, ...this.rests];
      this.changed = false;
    }
    let top = 0;
    for (const block of this.all) {
      block.top = top;
      top += block.rows;
    }
    this.rows = top;
    return this.all;
  }

  /** The block of record n, or the next one that has lines. */
  ofRecord(n) {
    let [low, high] = [0, this.all.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.all[middle].n < n) low = middle + 1;
      else high = middle;
    }
    return this.all[low];
  }

  /** The index of the block that has a row. */
  at(row) {
    let [low, high] = [0, this.all.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.all[middle].top <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
