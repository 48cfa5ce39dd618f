/**
 * Terminal colours as the page shows them: always legible. Pure.
 *
 * Sixteen colours of each theme, the 6x6x6 cube and greys of the 256, and any other; where a text's colour has too
 * little contrast with what is behind it (WCAG AA, 4.5), it is moved towards black or white, so that nothing is hidden.
 */

const AA = 4.5;
const THEMES = {
  dark: {
    ground: [13, 15, 19],
    ink: [214, 219, 229],
    palette:
      "3b4048 f0717b 7fd88f e6c06b 6ea8fe c792ea 56cfd2 c9d1d9 7d8590 ff8f97 9be9a8 f2d48a 93c1ff d9b3f5 84e3e5 ffffff",
  },
  light: {
    ground: [255, 255, 255],
    ink: [31, 35, 40],
    palette:
      "24292f b3202c 1a6e2e 7d5200 0a57c2 7b2fb5 0f6b73 57606a 57606a c2303b 23803a 8a5c00 1f6fe0 8f45c9 1a7f87 24292f",
  },
};
for (const theme of Object.values(THEMES)) {
  theme.palette = theme.palette.split(" ").map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));
}
const LEVELS = [0, 95, 135, 175, 215, 255];
const KNOWN = new Map(); // theme and style → what is set on an element
const MOST_KNOWN = 4096;

function rgb(colour, theme) {
  if (Array.isArray(colour)) return colour;
  if (colour < 16) return theme.palette[colour];
  if (colour >= 232) return Array(3).fill(8 + (colour - 232) * 10);
  const n = colour - 16;
  return [Math.floor(n / 36), Math.floor(n / 6) % 6, n % 6].map((level) => LEVELS[level]);
}

function luminance(colour) {
  const [r, g, b] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The WCAG contrast ratio of two colours. */
export function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** `colour`, moved as far towards black or white as it takes to be read on `ground`. */
export function legible(colour, ground) {
  if (contrast(colour, ground) >= AA) return colour;
  const goal = contrast([255, 255, 255], ground) > contrast([0, 0, 0], ground) ? 255 : 0;
  for (let part = 0.1; part < 1; part += 0.1) {
    const moved = colour.map((value) => Math.round(value + (goal - value) * part));
    if (contrast(moved, ground) >= AA) return moved;
  }
  return [goal, goal, goal];
}

/** What a style looks like: {color, background, weight, ...}, each a CSS value or "". */
export function look(style, themeName) {
  const key = `${themeName} ${style.fg} ${style.bg} ${style.flags}`;
  const known = KNOWN.get(key);
  if (known) return known;
  if (KNOWN.size >= MOST_KNOWN) KNOWN.clear();
  const made = make(style, THEMES[themeName]);
  KNOWN.set(key, made);
  return made;
}

function make({ fg, bg, flags }, theme) {
  let ink = fg === null ? null : rgb(fg, theme);
  let ground = bg === null ? null : rgb(bg, theme);
  if (flags.includes("r")) [ink, ground] = [ground ?? theme.ground, ink ?? theme.ink];
  if (flags.includes("d"))
    ink = (ink ?? theme.ink).map((value, i) => Math.round(value * 0.65 + (ground ?? theme.ground)[i] * 0.35));
  if (ink || ground) ink = legible(ink ?? theme.ink, ground ?? theme.ground);
  const css = (colour) => (colour ? `rgb(${colour.join(" ")})` : "");
  const lines = [flags.includes("u") && "underline", flags.includes("s") && "line-through"].filter(Boolean);
  return {
    color: css(ink),
    backgroundColor: css(ground),
    fontWeight: flags.includes("b") ? "700" : "",
    fontStyle: flags.includes("i") ? "italic" : "",
    textDecorationLine: lines.join(" "),
  };
}
