"""A person at the page: a real Chromium, headless, driven by Playwright; what goes wrong in it is noted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync")
WAIT = 30_000  # ms, in which anything must have happened
# What would be noticed: a violation of the policy, a script's error that nobody caught.
WATCH = """
window.faults = [];
addEventListener("securitypolicyviolation", (e) => faults.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
addEventListener("unhandledrejection", (e) => faults.push(`rejected: ${e.reason}`));
window.longest = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
}).observe({ entryTypes: ["longtask"] });
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; root's is without its sandbox, which root cannot have."""
    from playwright.sync_api import sync_playwright

    flags = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield browser
        finally:
            browser.close()


class Person:
    """One tab. Leaving it checks that no script went wrong, the policy refused nothing, and no dialog came up."""

    def __init__(self, browser: Browser, **context: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})
        self.context.set_default_timeout(WAIT)
        self.page: Page = self.context.new_page()
        self.page.add_init_script(WATCH)
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))
        self.page.on("popup", lambda popup: self.faults.append(f"popup: {popup.url}"))

    def __enter__(self) -> Person:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        faults = [*self.faults, *([] if kind else self.page.evaluate("window.faults ?? []"))]
        self.context.close()
        assert kind or not faults, faults

    def open(self, server: Server, place: str = "", token: str | None = None) -> Person:
        """Open the page with a token in its address, as a link has it, and go to a place such as `#/agents/ID`."""
        self.page.goto(f"{server.url}/#token={token or server.token}")
        self.page.locator("#link[data-state=live]").wait_for()
        if place:
            self.page.evaluate("(place) => { location.hash = place; }", place)
        return self

    def agent(self, server: Server, agent_id: str) -> Person:
        """Open an agent's output."""
        return self.open(server, f"#/agents/{agent_id}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def row(self, text: str) -> Locator:
        """A row of output that has this text."""
        return self.page.locator(".screen .row", has_text=text).first

    def sees(self, text: str) -> None:
        """Wait until a row of output has this text."""
        self.row(text).wait_for()

    def rows(self) -> list[str]:
        """The rows of output that are made, without their gutters."""
        texts: list[str] = self.page.evaluate(
            """() => [...document.querySelectorAll(".screen .row")].map((row) =>
                 [...row.childNodes].slice(1).map((node) => node.textContent).join(""))"""
        )
        return texts

    def all_rows(self) -> list[str]:
        """Every row from the first to the last: it scrolls through all, as somebody would."""
        self.press("g")
        screen = self.page.locator(".screen")
        seen: dict[int, str] = {}
        top = 0
        while True:
            first, texts, top, height, whole = self.page.evaluate(_SCREENFUL, top)
            seen |= {first + k: text for k, text in enumerate(texts)}
            if top + height >= whole - 1:
                break
            top += height
        screen.focus()
        assert sorted(seen) == list(range(len(seen)))
        return [seen[k] for k in sorted(seen)]

    def dialog(self) -> Locator:
        return self.page.locator("dialog[open]")


# Scroll to a place; when that is drawn: the number of the first row made, the rows' texts, and where we are.
_SCREENFUL = """async (top) => {
  const screen = document.querySelector(".screen");
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  screen.scrollTop = top;
  await frame();
  await frame();
  const list = screen.querySelector(".rows");
  const rows = [...list.children];
  const above = list.getBoundingClientRect().top - screen.querySelector(".sizer").getBoundingClientRect().top;
  const first = Math.round(above / 18);
  const texts = rows.map((row) => [...row.childNodes].slice(1).map((node) => node.textContent).join(""));
  return [first, texts, screen.scrollTop, screen.clientHeight, screen.scrollHeight];
}"""
