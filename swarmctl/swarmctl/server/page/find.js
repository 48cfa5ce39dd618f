/**
 * Searching an agent's output: first what is in memory, then page by page through the rest of the stream. What is read
 * only to be searched is let go at once; the window moves when something was found.
 */

import { strip } from "./ansi.js";
import { Splitter, chunkOf } from "./lines.js";

const OVERLAP = 2; // records beyond them, for lines that are cut there

/** Where `query` is found in blocks, from a place on: {n, i}, null where it is not. `by` is 1 or -1. */
export function findIn(blocks, query, by, place = null) {
  const wanted = query.toLowerCase();
  let begin = by > 0 ? 0 : blocks.length - 1;
  if (place) begin = blocks.findIndex((block) => block.n === place.n);
  for (let k = begin; k >= 0 && k < blocks.length; k += by) {
    const block = blocks[k];
    if (!mayHave(block, wanted)) continue;
    const isFirst = place && k === begin;
    const from = isFirst ? place.i + by : by > 0 ? 0 : block.count - 1;
    for (let i = from; i >= 0 && i < block.count; i += by) {
      if (strip(block.line(i)).toLowerCase().includes(wanted)) return { n: block.n, i };
    }
  }
  return null;
}

/** A quick look at all its lines at once: no escape sequence reaches beyond its line. */
function mayHave(block, wanted) {
  return has(block.text, wanted) || (block.head !== "" && has(block.line(0), wanted));
}

function has(text, wanted) {
  return (text.includes("\u001b") ? strip(text) : text).toLowerCase().includes(wanted);
}

/**
 * Search on from a place, or from an end of what is in memory, until it is found, the stream's end is reached or
 * `isOver()`. `onProgress` is told how many records are left. Resolves with {n, i} or null.
 */
export async function find(source, query, by, place, { onProgress, isOver }) {
  const { window } = source;
  const shown = window.settle().filter((block) => block.rows);
  const near = findIn(shown, query, by, shown.some((block) => block.n === place?.n) ? place : null);
  if (near) return near;
  const found = await (by < 0 ? back : forth)(source, query, { onProgress, isOver });
  if (!found || isOver()) return null;
  await source.from(Math.max(0, found.n - OVERLAP));
  return found;
}

async function back(source, query, { onProgress, isOver }) {
  for (let until = source.window.first; until > 0 && !isOver();) {
    onProgress(until);
    const from = Math.max(0, until - source.step);
    const blocks = split(source, await source.records(from, until + OVERLAP));
    const found = findIn(
      blocks.filter((block) => block.n < until),
      query,
      -1,
    );
    if (found) return found;
    until = from;
  }
  return null;
}

async function forth(source, query, { onProgress, isOver }) {
  for (let from = source.window.next; from < source.tail && !isOver();) {
    onProgress(source.tail - from);
    const until = from + source.step;
    const blocks = split(source, await source.records(Math.max(0, from - OVERLAP), until));
    const found = findIn(
      blocks.filter((block) => block.n >= from),
      query,
      1,
    );
    if (found) return found;
    from = until;
  }
  return null;
}

function split(source, records) {
  const splitter = new Splitter();
  const blocks = records.map((record) => splitter.feed(chunkOf(record)));
  return blocks.filter((block) => block && !source.window.hidden.has(block.stream));
}
