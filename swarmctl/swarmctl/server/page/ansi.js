/**
 * One line of a terminal's output as styled runs of text. Pure.
 *
 * Of the escape sequences only colours and emphasis (SGR) mean anything here; titles, links, the clipboard, cursor
 * movements are left out, and with `raw` shown. A sequence never reaches beyond its line, so none can swallow output.
 * Of what a carriage return overwrites the last is shown, with a mark that there was more.
 */

import { picture, steers } from "./text.js";

export const PLAIN = Object.freeze({ fg: null, bg: null, flags: "" });
// CSI; the strings OSC, DCS, SOS, PM, APC with BEL or ST, or unfinished to the line's end; any other escape.
const ESCAPE = new RegExp(
  [
    /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]/,
    /(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)/,
    /\u001b[ -/]*[0-~]?/,
  ]
    .map((part) => part.source)
    .join("|"),
  "g",
);
const SGR = /^(?:\u001b\[|\u009b)([0-9;:]*)m$/;
const ODD = /[^\u0020-\u007e]/;
const FLAGS = { 1: "b", 2: "d", 3: "i", 4: "u", 7: "r", 9: "s", 21: "u" };
const UNFLAGS = { 22: "bd", 23: "i", 24: "u", 27: "r", 29: "s" };

/** `line` without its escape sequences. */
export function strip(line) {
  return line.replace(ESCAPE, "");
}

/** The style after all the sequences of `text`, which begins in `style`. */
export function styleAfter(text, style) {
  let now = style;
  for (const [sequence] of text.matchAll(ESCAPE)) {
    const sgr = SGR.exec(sequence);
    if (sgr) now = restyle(now, sgr[1]);
  }
  return now;
}

/** The runs of a line that begins in `style`: [{text, style, control}]; `control`: for what cannot be shown. */
export function runs(line, style, raw = false) {
  if (!raw && !ODD.test(line)) return line ? [{ text: line, style, control: false }] : [];
  const found = [];
  let now = style;
  let place = 0;
  const text = raw ? line : overwritten(line, found);
  for (const match of text.matchAll(ESCAPE)) {
    plain(text.slice(place, match.index), now, found);
    place = match.index + match[0].length;
    const sgr = SGR.exec(match[0]);
    if (raw)
      found.push({
        text: Array.from(match[0], (c) => (steers(c) ? picture(c) : c)).join(""),
        style: now,
        control: true,
      });
    if (sgr) now = restyle(now, sgr[1]);
  }
  plain(text.slice(place), now, found);
  return found;
}

/** What a terminal would show of a line with carriage returns in it. */
function overwritten(line, found) {
  const parts = (line.endsWith("\r") ? line.slice(0, -1) : line).split("\r");
  if (parts.length === 1) return parts[0];
  found.push({ text: parts.length > 2 ? `\\r${parts.length - 1}\u00d7 ` : "\\r ", style: PLAIN, control: true });
  const last = parts.findLast((part) => strip(part) !== "") ?? "";
  // what the earlier parts have set stays set
  return (
    parts
      .slice(0, parts.indexOf(last))
      .flatMap((part) => part.match(ESCAPE) ?? [])
      .filter((s) => SGR.test(s))
      .join("") + last
  );
}

function plain(text, style, found) {
  if (!text) return;
  if (!ODD.test(text)) {
    found.push({ text, style, control: false });
    return;
  }
  let held = "";
  const flush = () => {
    if (held) found.push({ text: held, style, control: false });
    held = "";
  };
  for (const char of text) {
    if (char === "\t") {
      held += "\t";
    } else if (char > "~" || char < " " ? steers(char) : false) {
      flush();
      found.push({ text: picture(char), style, control: true });
    } else {
      held += char;
    }
  }
  flush();
}

function restyle(style, parameters) {
  const codes = parameters === "" ? ["0"] : parameters.split(";");
  let { fg, bg, flags } = style;
  for (let i = 0; i < codes.length; i++) {
    const [code, ...below] = codes[i].split(":");
    const n = Number(code || 0);
    if (n === 0) [fg, bg, flags] = [null, null, ""];
    else if (n === 4 && below[0] === "0") flags = without(flags, "u");
    else if (FLAGS[n]) flags = without(flags, FLAGS[n]) + FLAGS[n];
    else if (UNFLAGS[n]) flags = without(flags, UNFLAGS[n]);
    else if (n === 38 || n === 48) {
      const [colour, used] = below.length
        ? [extended(below.length > 4 ? [below[0], ...below.slice(2)] : below), 0]
        : later(codes, i);
      i += used;
      if (n === 38) fg = colour ?? fg;
      else bg = colour ?? bg;
    } else if (n === 39) fg = null;
    else if (n === 49) bg = null;
    else if ((n >= 30 && n <= 37) || (n >= 90 && n <= 97)) fg = n < 90 ? n - 30 : n - 82;
    else if ((n >= 40 && n <= 47) || (n >= 100 && n <= 107)) bg = n < 100 ? n - 40 : n - 92;
  }
  return fg === null && bg === null && flags === "" ? PLAIN : { fg, bg, flags };
}

function without(flags, those) {
  return [...flags].filter((flag) => !those.includes(flag)).join("");
}

function later(codes, i) {
  const used = codes[i + 1] === "5" ? 2 : codes[i + 1] === "2" ? 4 : 0;
  return [extended(codes.slice(i + 1, i + 1 + used)), used];
}

/** `5, n` or `2, r, g, b`: the number of a palette's colour, or [r, g, b]; null where it is none. */
function extended([kind, ...rest]) {
  const values = rest.map(Number);
  if (kind === "5" && values[0] <= 255) return values[0];
  if (kind === "2" && values.length >= 3 && values.every((value) => value <= 255)) return values.slice(0, 3);
  return null;
}
