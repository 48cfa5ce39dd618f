/**
 * What each key does, in one table: the page obeys it, and `?` shows it.
 */

import { el } from "./dom.js";

export const KEYS = [
  [
    "Everywhere",
    [
      ["?", "these keys"],
      ["/", "search: agents, or in the output"],
      ["n", "spawn an agent"],
      ["j k", "next, previous agent"],
      ["Enter", "open the selected agent"],
      ["Esc", "back"],
      ["T", "light, dark, as the system"],
      ["a", "the living ones alone, or all"],
      ["l", "the timeline"],
      ["A", "what is asked: approvals"],
    ],
  ],
  [
    "One agent",
    [
      ["1 2 3 4", "its tabs"],
      ["c", "cancel"],
      ["s", "send a signal"],
      ["r", "restart"],
      ["i", "send input, or the next turn"],
      ["g G", "the beginning, the end"],
      ["Delete", "remove an ended one"],
    ],
  ],
  [
    "Its output",
    [
      ["f", "follow, or stay"],
      ["g G", "first byte, end"],
      ["t", "times"],
      ["w", "wrap lines"],
      ["x", "show control characters"],
      ["o e", "stdout, stderr"],
      ["d", "download"],
      ["p N", "previous, next place found"],
    ],
  ],
];

/** Show the table. */
export function showKeys() {
  const before = document.activeElement;
  const close = el("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "Close");
  const tables = KEYS.map(([title, rows]) =>
    el(
      "section",
      {},
      el("h3", {}, title),
      el(
        "dl",
        { class: "keys" },
        rows.map(([keys, what]) => [
          el(
            "dt",
            {},
            keys.split(" ").map((key) => el("kbd", {}, key)),
          ),
          el("dd", {}, what),
        ]),
      ),
    ),
  );
  const dialog = el(
    "dialog",
    { class: "wide", "aria-labelledby": "keys-title" },
    el("h2", { id: "keys-title" }, "Keys"),
    el("div", { class: "columns" }, tables),
    el("div", { class: "actions" }, close),
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    before?.focus?.();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}

/** Call `bindings[key]()` for keys that are pressed outside of fields and dialogs. */
export function listen(bindings) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key !== "Escape" && event.target.closest("input:not([type=range]), textarea, select")) return;
    const act = bindings[event.key];
    if (act && act(event) !== false) event.preventDefault();
  });
}
