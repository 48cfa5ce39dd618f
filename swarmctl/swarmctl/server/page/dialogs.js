/**
 * Dialogs: each asks for one thing, says what it will do, and stays open with the reason where the server refuses.
 */

import { el } from "./dom.js";

/**
 * Show a dialog of `fields` and two buttons; `act(form)` does it. Resolves with what that gave, null where it was
 * left. What `act` throws is shown in the dialog.
 */
export function ask({ title, body = [], confirm, act, isDanger = false, isWide = false }) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const id = `title-${Math.random().toString(36).slice(2)}`;
    const fault = el("p", { class: "fault", role: "alert", hidden: true });
    const go = el("button", { type: "submit", class: isDanger ? "danger" : "primary" }, confirm);
    const leaveText = isDanger ? "Keep it" : "Close";
    const leave = el("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, leaveText);
    const form = el(
      "form",
      { method: "dialog", novalidate: true },
      el("h2", { id }, title),
      body,
      fault,
      el("div", { class: "actions" }, leave, go),
    );
    const dialog = el("dialog", { "aria-labelledby": id, class: isWide ? "wide" : null }, form);
    let result = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      fault.hidden = true;
      try {
        result = (await act(new FormData(form), form)) ?? true;
        dialog.close();
      } catch (error) {
        fault.textContent = error.line ?? error.message;
        fault.hidden = false;
      } finally {
        go.disabled = false;
      }
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.();
      resolve(result);
    });
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    document.body.append(dialog);
    dialog.showModal();
    (form.querySelector("[autofocus]") ?? form.querySelector("input, textarea, select") ?? go).focus();
  });
}

/** A labelled control: `hint` stands below it. */
export function field(label, control, hint = "") {
  const id = control.id || `field-${control.name}`;
  control.id = id;
  const note = hint ? el("small", { id: `${id}-hint` }, hint) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return el("div", { class: "field" }, el("label", { for: id }, label), control, note);
}

export function input(name, attributes = {}) {
  return el("input", { name, autocomplete: "off", spellcheck: "false", ...attributes });
}

export function area(name, attributes = {}) {
  return el("textarea", { name, rows: "3", spellcheck: "false", autocomplete: "off", ...attributes });
}

export function choice(name, options, attributes = {}) {
  return el(
    "select",
    { name, ...attributes },
    options.map((option) =>
      el("option", { value: Array.isArray(option) ? option[0] : option }, Array.isArray(option) ? option[1] : option),
    ),
  );
}

export function check(name, label, attributes = {}) {
  return el("label", { class: "check" }, el("input", { type: "checkbox", name, ...attributes }), label);
}

/** Say something in passing. */
export function toast(text, isBad = false) {
  const box = document.getElementById("toasts");
  const note = el("p", { class: isBad ? "toast bad" : "toast" }, text);
  box.append(note);
  setTimeout(() => note.remove(), isBad ? 9000 : 4000);
}
