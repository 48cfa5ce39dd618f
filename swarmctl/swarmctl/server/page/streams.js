/**
 * Durable Streams as the page reads them: one page of records, and following for ever.
 *
 * A follower goes on by itself where it stopped, after a lost connection, a restarted server, a hidden tab. What comes
 * with a batch is taken over only with the batch's `control` event, which says the next offset: nothing twice, nothing
 * missed. A hidden tab holds no connection, because a browser has six for each server, for all its tabs.
 */

import { ApiError, request } from "./session.js";
import { SseParser } from "./sse.js";

const SILENT = 45_000; // ms without a byte, after which a connection is dead: the server gives a sign each 15 s
const LEAST = 250;
const MOST = 5_000; // ms between attempts
const HIDDEN = 10_000; // ms that a hidden tab keeps its connections

/** The offset just before the record that is the n-th of its stream, from 0; our own streams alone have it. */
export function at(n) {
  return n <= 0 ? "-1" : `${"0".repeat(16)}_${String(n).padStart(16, "0")}`;
}

/** Which record comes next at an offset. */
export function ordinal(offset) {
  return offset === "-1" ? 0 : Number(offset.slice(offset.lastIndexOf("_") + 1));
}

function url(name, query) {
  return `/v1/stream/${name.split("/").map(encodeURIComponent).join("/")}?${new URLSearchParams(query)}`;
}

/** How many records a stream of ours has. */
export async function tail(name, signal) {
  const response = await request(url(name, {}).slice(0, -1), { method: "HEAD", signal });
  return ordinal(response.headers.get("Stream-Next-Offset") ?? "-1");
}

/** The records from the n-th on, as many as the server gives at once: {records, next, isTail}. */
export async function page(name, n, signal) {
  const response = await request(url(name, { offset: at(n) }), { signal });
  const next = ordinal(response.headers.get("Stream-Next-Offset") ?? at(n));
  return { records: await response.json(), next, isTail: response.headers.get("Stream-Up-To-Date") === "true" };
}

/**
 * Follows a stream. `onBatch(messages, offset, isUpToDate)` has each batch once, in order; `onState(state, error,
 * ms)` is told "connecting", "live", "waiting" (with the ms until the next attempt), "ended" or "refused".
 */
export class Follower {
  #controller = null;
  #wake = null;
  #stopped = false;
  #failures = 0;

  constructor(name, { offset = "-1", onBatch, onState = () => {}, onReset = () => {} }) {
    this.name = name;
    this.offset = offset;
    this.onBatch = onBatch;
    this.onState = onState;
    this.onReset = onReset;
    this.done = this.#run();
  }

  stop() {
    this.#stopped = true;
    this.#controller?.abort();
    this.#wake?.();
  }

  /** Try again now, not when the time is up. */
  retry() {
    this.#wake?.();
  }

  async #run() {
    while (!this.#stopped) {
      await this.#untilSeen();
      if (this.#stopped) return;
      this.onState("connecting");
      try {
        if ((await this.#read()) === "ended") return this.onState("ended");
        this.#failures = 0;
      } catch (error) {
        if (this.#stopped) return;
        if (await this.#isFinal(error)) return;
      }
    }
  }

  /** What to do after a failure: give up, start anew, or wait and try again. */
  async #isFinal(error) {
    if (error instanceof ApiError && [401, 403, 404, 405].includes(error.status)) {
      this.onState("refused", error);
      return true;
    }
    if (error instanceof ApiError && [400, 410].includes(error.status) && this.offset !== "-1") {
      this.offset = "-1"; // another log than the one we knew
      this.onReset();
    }
    if (error.name === "Hidden") return false;
    const wait = Math.min(MOST, LEAST * 2 ** this.#failures++) * (0.75 + Math.random() / 2);
    this.onState("waiting", error, wait);
    await this.#sleep(wait);
    return false;
  }

  async #read() {
    const controller = (this.#controller = new AbortController());
    const guard = new Watch(controller);
    try {
      const response = await request(url(this.name, { offset: this.offset, live: "sse" }), {
        signal: controller.signal,
        headers: { Accept: "text/event-stream" },
      });
      const reader = response.body.getReader();
      const parser = new SseParser();
      let messages = [];
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return "again";
        guard.saw();
        for (const { event, data } of parser.feed(value)) {
          if (event === "data") {
            messages.push(...toList(JSON.parse(data)));
            continue;
          }
          if (event !== "control") continue;
          const control = JSON.parse(data);
          const batch = messages;
          messages = [];
          this.offset = control.streamNextOffset;
          this.#failures = 0;
          this.onState("live");
          this.onBatch(batch, this.offset, Boolean(control.upToDate));
          if (control.streamClosed) return "ended";
        }
        if (this.#stopped) return "ended";
      }
    } catch (error) {
      throw guard.hidden ? Object.assign(new Error("hidden"), { name: "Hidden" }) : error;
    } finally {
      guard.end();
      controller.abort();
    }
  }

  async #untilSeen() {
    if (!document.hidden) return;
    await new Promise((resolve) => {
      this.#wake = resolve;
      document.addEventListener("visibilitychange", resolve, { once: true });
    });
    this.#wake = null;
  }

  async #sleep(ms) {
    await new Promise((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, ms);
      addEventListener("online", resolve, { once: true });
    });
    this.#wake = null;
  }
}

/** Ends a connection that has died without a word, or whose tab is hidden. */
class Watch {
  #last = performance.now();
  hidden = false;

  constructor(controller) {
    this.timer = setInterval(() => {
      if (performance.now() - this.#last > SILENT) controller.abort();
    }, 5000);
    this.look = () => {
      clearTimeout(this.hiding);
      if (!document.hidden) return;
      this.hiding = setTimeout(() => {
        this.hidden = true;
        controller.abort();
      }, HIDDEN);
    };
    document.addEventListener("visibilitychange", this.look);
  }

  saw() {
    this.#last = performance.now();
  }

  end() {
    clearInterval(this.timer);
    clearTimeout(this.hiding);
    document.removeEventListener("visibilitychange", this.look);
  }
}

function toList(value) {
  return Array.isArray(value) ? value : [value];
}
