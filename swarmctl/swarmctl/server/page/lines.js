/**
 * From the records of an agent's stream to lines. Pure.
 *
 * stdout and stderr of each run are byte streams whose chunks interleave; a line belongs to the chunk in which it ends,
 * and characters may be cut by chunks too. A Block is a chunk with the lines that end in it; no line is copied before
 * it is shown. What is no output (an end, an agent's own events) is a block of one line, a mark.
 */

import { PLAIN, styleAfter } from "./ansi.js";
import { bytes, visible } from "./text.js";

const LONGEST = 1 << 20; // characters of a line; a longer one is broken there
const LINE = 40; // bytes that a line weighs beside its text: so that of the shortest there are not too many either
const STREAMS = { "stdout:written": "stdout", "stderr:written": "stderr" };
let born = 0;

/** A chunk of output as it is kept: its bytes are decoded only where they were no text by themselves. */
export function chunkOf(record) {
  const { offset, time, type, data } = record;
  const stream = STREAMS[type];
  if (!stream) return { n: offset, time, stream: "mark", run: data.run ?? 0, text: markOf(record), size: LINE };
  const raw = record.text === undefined ? fromBase64(record.base64 ?? "") : null;
  const size = (raw ?? record.text).length + LINE * data.lines;
  return {
    n: offset,
    time,
    stream,
    run: data.run,
    start: data.start,
    end: data.end,
    text: record.text ?? null,
    raw,
    size,
  };
}

function fromBase64(text) {
  return Uint8Array.fromBase64
    ? Uint8Array.fromBase64(text)
    : Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function markOf({ type, data }) {
  if (type === "output:closed") {
    return `end of run ${data.run} \u00b7 stdout ${bytes(data.stdout)} \u00b7 stderr ${bytes(data.stderr)}`;
  }
  if (type === "output:lost") return `bytes ${data.start} to ${data.end} of run ${data.run}'s ${data.stream} are lost`;
  return `${visible(type)} ${visible(JSON.stringify(data))}`;
}

/** The lines that end in one chunk; `head` is what earlier chunks have of the first. */
export class Block {
  constructor(chunk, head, text, ends, style, { isCut = false, isRest = false } = {}) {
    this.id = ++born;
    this.n = chunk.n;
    this.time = chunk.time;
    this.run = chunk.run;
    this.stream = chunk.stream;
    this.head = head;
    this.text = text;
    this.ends = ends;
    this.style = style; // in which the first line begins
    this.isCut = isCut; // the first line has lost its beginning: that was not read
    this.isRest = isRest; // the only line may go on
    this.rows = 0; // on screen; see layout.js
    this.top = 0; // how many rows are above it
    this.first = null; // the row of each line, once it was looked at exactly
  }

  get count() {
    return this.ends.length;
  }

  line(i) {
    const from = i === 0 ? 0 : this.ends[i - 1] + 1;
    const own = this.text.slice(from, this.ends[i]);
    return i === 0 && this.head ? this.head + own : own;
  }

  /** The style in which line i begins. */
  styleOf(i) {
    if (!this.styles) {
      this.styles = [this.style];
      for (let k = 0; k < this.count; k++) this.styles.push(styleAfter(this.line(k), this.styles[k]));
    }
    return this.styles[i];
  }
}

/** Splits chunks, in order, into blocks; holds back what has no newline yet. */
export class Splitter {
  #places = new Map(); // run and stream → {decoder, rest, style, seen, isCut, last}

  /** The block of the lines that `chunk` completes; null where it completes none. */
  feed(chunk) {
    if (chunk.stream === "mark") return new Block(chunk, "", chunk.text, Int32Array.of(chunk.text.length), PLAIN);
    const place = this.#place(chunk);
    const text = this.#text(chunk, place);
    if (text === "") return null;
    place.last = chunk;
    const ends = newlines(text);
    const last = ends.length ? ends[ends.length - 1] : -1;
    if (last < 0) {
      place.rest += text;
      return place.rest.length > LONGEST ? this.#block(chunk, place, "", Int32Array.of(0)) : null;
    }
    const block = this.#block(chunk, place, text, ends);
    place.rest = text.slice(last + 1);
    return block;
  }

  /** The unfinished lines, as blocks; they are still held. */
  rests() {
    return [...this.#places.values()]
      .filter((place) => place.rest)
      .map((place) => {
        const { rest, style, isCut } = place;
        return new Block(place.last, "", rest, Int32Array.of(rest.length), style, { isCut, isRest: true });
      });
  }

  /** Their lines are over. */
  drop() {
    for (const place of this.#places.values()) place.rest = "";
  }

  #place(chunk) {
    const key = `${chunk.run} ${chunk.stream}`;
    let place = this.#places.get(key);
    if (!place) {
      const isCut = chunk.start > 0;
      place = { decoder: null, rest: "", style: PLAIN, seen: chunk.start, isCut, last: chunk };
      this.#places.set(key, place);
    }
    return place;
  }

  /** Its text, without what was there before: a recovered log has some output twice. */
  #text(chunk, place) {
    if (chunk.end <= place.seen) return "";
    let { text, raw } = chunk;
    if (chunk.start < place.seen) {
      raw = (raw ?? new TextEncoder().encode(text)).subarray(place.seen - chunk.start);
      text = null;
    }
    place.seen = chunk.end;
    if (text !== null && !place.decoder) return text;
    place.decoder ??= new TextDecoder("utf-8", { ignoreBOM: true });
    if (text === null) return place.decoder.decode(raw, { stream: true });
    const before = place.decoder.decode(); // a character that was never finished
    place.decoder = null;
    return before + text;
  }

  #block(chunk, place, text, ends) {
    const block = new Block(chunk, place.rest, text, ends, place.style, { isCut: place.isCut });
    place.isCut = false;
    place.rest = "";
    const whole = text.slice(0, ends[ends.length - 1]);
    if (block.head.includes("\u001b")) place.style = styleAfter(block.head, place.style);
    if (whole.includes("\u001b")) place.style = styleAfter(whole, place.style);
    return block;
  }
}

function newlines(text) {
  const ends = [];
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) ends.push(end);
  return Int32Array.from(ends);
}
