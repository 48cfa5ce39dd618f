/**
 * One agent's output: its window, and what fills it: a follower at the stream's end, pages where somebody scrolls.
 *
 * `mode` is "live" while the window reaches to the end and grows there, else "still": then nothing is read until it is
 * asked for, so that an agent that writes without end costs a reader who looks at its beginning nothing.
 */

import { Follower, at, ordinal, page, tail } from "./streams.js";
import { OutputWindow } from "./window.js";

const BACK = 100; // records before the end at which reading begins
const STEP = 48; // records that are read at once when somebody scrolls back, at first
const AGAIN = 200; // ms
const MOST_STEP = 4096;
const ENOUGH = 1 << 20; // bytes that are worth a request

export class OutputSource {
  #follower = null;
  #reading = null;
  #asked = null; // whoever asked for the end, while it is looked for
  isClosed = false;
  #controller = new AbortController();

  constructor(id, cols, { onChange, onState, keep = (change) => change() }) {
    this.name = `agents/${id}`;
    this.window = new OutputWindow(cols);
    this.onChange = onChange;
    this.onState = onState;
    this.keep = keep; // makes a change at the front so that what is on screen stays there
    this.mode = "still";
    this.tail = 0; // how many records the stream is known to have
    this.received = 0; // bytes, for the rate
    this.step = STEP; // records in a request backwards: agents write in lines or in chunks of 64 KB
  }

  close() {
    this.isClosed = true;
    this.#follower?.stop();
    this.#controller.abort();
  }

  retry() {
    this.#follower?.retry();
  }

  /** Begin some way before the end, and follow; tried until it can be done. */
  async last() {
    const mine = (this.#asked = {});
    let n;
    while ((n = await this.#once(() => tail(this.name, this.#controller.signal))) === undefined) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
      if (this.isClosed || mine !== this.#asked) return;
    }
    this.#asked = null;
    this.tail = Math.max(this.tail, n);
    const isNear = this.mode === "live" && this.window.chunks.length > 0;
    if (!isNear) this.window.clear(Math.max(0, n - BACK));
    this.#live();
    this.onChange();
  }

  /** Show record n and what comes after it; the first byte is in record 0. */
  async from(n) {
    this.#asked = null;
    this.still();
    this.#controller.abort();
    this.#controller = new AbortController();
    this.#reading = null;
    this.window.clear(n);
    await this.after();
  }

  /** Grow no more at the end. */
  still() {
    this.mode = "still";
    this.#follower?.stop();
    this.#follower = null;
  }

  /** Read what comes after the window; at the stream's end, go on live. */
  async after() {
    if (this.mode === "live") return;
    const got = await this.#once(() => page(this.name, this.window.next, this.#controller.signal));
    if (!got) return;
    this.tail = Math.max(this.tail, got.next);
    let isAll = true;
    this.keep(() => {
      isAll = this.window.append(got.records, true);
      this.window.trimFront();
    });
    if (got.isTail && isAll) this.#live();
    this.onChange();
  }

  /** Read what comes before the window. */
  async before() {
    const until = this.window.first;
    if (until <= 0) return;
    const records = await this.#once(() => this.records(Math.max(0, until - this.step), until));
    if (!records || this.window.first !== until) return;
    this.keep(() => this.window.prepend(records));
    if (this.window.next < this.tail) this.still();
    this.onChange();
  }

  get isReading() {
    return this.#reading !== null || this.#asked !== null;
  }

  /** The records from the n-th on, before `until`; learns how many are worth a request. */
  async records(n, until) {
    const records = [];
    for (let next = n; next < until;) {
      const got = await page(this.name, next, this.#controller.signal);
      if (!got.records.length) break;
      for (const record of got.records) if (record.offset < until) records.push(record);
      next = got.next;
    }
    const size = records.reduce((sum, { data }) => sum + (data?.end ?? 0) - (data?.start ?? 0), 0);
    if (size < ENOUGH / 2) this.step = Math.min(MOST_STEP, this.step * 2);
    else if (size > ENOUGH * 3) this.step = Math.max(STEP / 2, this.step / 2);
    return records;
  }

  #live() {
    if (this.mode === "live") return;
    this.mode = "live";
    const follower = new Follower(this.name, {
      offset: at(this.window.next),
      onBatch: (records, offset) => this.#take(follower, records, offset),
      onReset: () => this.window.clear(0),
      onState: (...state) => follower === this.#follower && this.onState(...state),
    });
    this.#follower = follower;
  }

  #take(follower, records, offset) {
    if (follower !== this.#follower) return;
    this.tail = Math.max(this.tail, ordinal(offset));
    if (!records.length) return;
    for (const record of records) this.received += (record.data?.end ?? 0) - (record.data?.start ?? 0);
    this.window.append(records);
    this.onChange();
  }

  /** One reading at a time; a failure is told, and what is wanted is asked for again. */
  async #once(read) {
    if (this.#reading) return undefined;
    const mine = (this.#reading = read());
    try {
      return await mine;
    } catch (error) {
      if (error.name !== "AbortError") {
        this.onState("failed", error);
        setTimeout(this.onChange, 10 * AGAIN); // whoever needs it asks again
      }
      return undefined;
    } finally {
      if (this.#reading === mine) this.#reading = null;
    }
  }
}
