/**
 * Text that somebody else wrote, made fit to be shown. Pure.
 *
 * Whatever steers a terminal or the direction of writing is replaced by something that can be seen; the rest is left
 * as it is. It goes into the page by textContent alone: here nothing is ever escaped, because nothing is ever parsed.
 */

// C0, DEL, C1; Arabic letter mark, zero width space, marks, separators, embeddings, isolates; tags; annotations.
const STEERING = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f" +
    "\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}]",
  "gu",
);

const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** How one steering character is shown, as the command line shows it: \n, \x1b, \u202e; fonts have no signs for all. */
export function picture(char) {
  const code = char.codePointAt(0);
  const digits = (count) => code.toString(16).padStart(count, "0");
  return SHORT[char] ?? (code < 0x100 ? `\\x${digits(2)}` : code < 0x10000 ? `\\u${digits(4)}` : `\\U${digits(8)}`);
}

/** `text` on one line, with everything that could steer made visible. */
export function visible(text) {
  return String(text ?? "").replace(STEERING, picture);
}

/** A text of several lines, with everything in them that could steer made visible. */
export function lines(text) {
  return String(text ?? "")
    .replaceAll("\r\n", "\n")
    .split(/([\n\t])/)
    .map((part, i) => (i % 2 ? part : visible(part)))
    .join("");
}

/** Whether a character steers. */
export function steers(char) {
  STEERING.lastIndex = 0;
  return STEERING.test(char);
}

const WORD = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** A command as a shell would take it. */
export function commandLine(command) {
  return visible(
    (command ?? []).map((word) => (WORD.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" "),
  );
}

/** The words of a line as a POSIX shell splits it, without expansions. Throws Error for a quote that is not closed. */
export function words(line) {
  const found = [];
  let word = null;
  let quote = "";
  for (let i = 0; i < line.length; i++) {
    const char = line[i];
    if (quote === "'" ? char !== "'" : quote === '"' ? char !== '"' && char !== "\\" : !/[\s'"\\]/.test(char)) {
      word = (word ?? "") + char;
    } else if (char === "\\") {
      const next = line[++i];
      if (next === undefined) throw new Error("the line ends in a backslash");
      word = (word ?? "") + (quote && !'"\\$`'.includes(next) ? "\\" + next : next);
    } else if (char === quote) {
      quote = "";
    } else if (/['"]/.test(char)) {
      quote = char;
      word ??= "";
    } else if (word !== null) {
      found.push(word);
      word = null;
    }
  }
  if (quote) throw new Error(`a ${quote} is not closed`);
  if (word !== null) found.push(word);
  return found;
}

/** Whether a line means something to a shell beyond its words: a pipe, a variable, a pattern that is not quoted. */
export function needsShell(line) {
  const bare = line.replace(/\\.|'[^']*'/gs, "");
  return /[$`]/.test(bare) || /[|&;<>()*?~#\n]|(?:^|\s)\w+=\S*\s/.test(bare.replace(/"[^"]*"/g, ""));
}

/** A span of time in one or two units: 4s, 12m, 3h5m, 2d4h. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [unit, size, small, smallSize] of [
    ["d", 86400, "h", 3600],
    ["h", 3600, "m", 60],
    ["m", 60, "s", 1],
  ]) {
    if (whole >= size) {
      const rest = Math.floor((whole % size) / smallSize);
      return rest ? `${Math.floor(whole / size)}${unit}${rest}${small}` : `${Math.floor(whole / size)}${unit}`;
    }
  }
  return `${whole}s`;
}

/** Seconds of `90`, `90s`, `5m`, `1h30m`, `2d`; null for nothing. Throws Error for anything else. */
export function seconds(text) {
  const given = text.trim();
  if (!given) return null;
  const match = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?$/.exec(given);
  if (!match) throw new Error(`not a duration: ${given}; write 90, 5m, 1h30m or 2d`);
  return [86400, 3600, 60, 1].reduce((sum, size, i) => sum + Number(match[i + 1] ?? 0) * size, 0);
}

/** Bytes of `512M`, `2G`; null for nothing. Throws Error for anything else. */
export function size(text) {
  const given = text.trim().toUpperCase();
  if (!given) return null;
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:I?B)?$/.exec(given);
  if (!match) throw new Error(`not a size: ${text}; write 512M or 2G`);
  return Math.floor(Number(match[1]) * 1024 ** " KMGT".indexOf(match[2] || " "));
}

/** Bytes for people: 812 B, 4.2 kB, 1.3 GB. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  let unit = -1;
  let value = count;
  while (value >= 1000 && unit < 3) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${["kB", "MB", "GB", "TB"][unit]}`;
}

/** A number for people: 1,234,567; a large one short where `short`: 1.2M. */
export function number(value, short = false) {
  return new Intl.NumberFormat(
    "en",
    short && value >= 10000 ? { notation: "compact", maximumFractionDigits: 1 } : {},
  ).format(value);
}

/** The time of day of an RFC 3339 time, here: 14:03:09, with milliseconds where asked. */
export function clock(time, precise = false) {
  const date = new Date(time);
  const two = (n) => String(n).padStart(2, "0");
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return precise ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** Its day, here: 2026-01-31. */
export function day(time) {
  const date = new Date(time);
  const two = (n) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
