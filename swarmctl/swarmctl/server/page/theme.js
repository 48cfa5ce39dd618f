/**
 * Light or dark: as the system has it, unless somebody chose.
 */

const KEY = "swarmctl.theme";
const ORDER = ["system", "light", "dark"];
const isLight = matchMedia("(prefers-color-scheme: light)");

function chosen() {
  try {
    const kept = localStorage.getItem(KEY);
    return ORDER.includes(kept) ? kept : "system";
  } catch {
    return "system";
  }
}

/** Keep the page in its theme; `onChange` is told when that changes. */
export function startTheme(button, onChange) {
  let now = chosen();
  const apply = () => {
    const theme = now === "system" ? (isLight.matches ? "light" : "dark") : now;
    document.documentElement.dataset.theme = theme;
    button.textContent = { system: "Auto", light: "Light", dark: "Dark" }[now];
    button.setAttribute("aria-label", `Theme: ${now}`);
    onChange();
  };
  const next = () => {
    now = ORDER[(ORDER.indexOf(now) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, now);
    } catch {
      // then it is for this page alone
    }
    apply();
  };
  isLight.addEventListener("change", apply);
  button.addEventListener("click", next);
  apply();
  return next;
}
