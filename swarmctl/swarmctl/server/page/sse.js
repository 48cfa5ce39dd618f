/**
 * Server-sent events out of bytes, as the HTML standard has them; EventSource itself cannot send a token.
 *
 * Lines end with CR, LF or CRLF, wherever the bytes were cut; several `data:` lines are joined by LF; a line that
 * begins with a colon is a comment. Pure: bytes in, events out.
 */

export class SseParser {
  #decoder = new TextDecoder("utf-8");
  #rest = "";
  #event = "";
  #data = [];
  #skipLf = false;

  /** The events that these bytes complete: [{event, data}]. */
  feed(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (this.#skipLf && text.length > 0) {
      if (text[0] === "\n") text = text.slice(1);
      this.#skipLf = false;
    }
    const events = [];
    let start = 0;
    const next = lineEnds(text);
    let newline = next(0);
    while (newline >= 0) {
      const line = this.#rest + text.slice(start, newline);
      this.#rest = "";
      this.#line(line, events);
      start = newline + 1;
      if (text[newline] === "\r") {
        if (start === text.length) this.#skipLf = true;
        else if (text[start] === "\n") start++;
      }
      newline = next(start);
    }
    this.#rest += text.slice(start);
    return events;
  }

  #line(line, events) {
    if (line === "") {
      if (this.#data.length > 0) events.push({ event: this.#event || "message", data: this.#data.join("\n") });
      this.#event = "";
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
  }
}

/** Finds where the next line ends from a place on; -1 where it does not. Each character is looked at once. */
function lineEnds(text) {
  let lf = -2;
  let cr = -2;
  return (from) => {
    if (lf !== -1 && lf < from) lf = text.indexOf("\n", from);
    if (cr !== -1 && cr < from) cr = text.indexOf("\r", from);
    return cr < 0 ? lf : lf < 0 ? cr : Math.min(lf, cr);
  };
}
