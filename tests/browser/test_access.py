"""Who may use the page, and how: tokens, the keyboard alone, a phone, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from support.browser import Person
from support.cli import Swarm
from support.looking import until
from support.servers import Server

Anybody = Callable[..., Person]


def test_the_token_leaves_the_address(person: Anybody, server: Server) -> None:
    """The token of the address is taken out of it at once, and a reload still has it."""
    one = person().open(server)
    assert server.token not in one.page.url
    one.page.reload()
    one.page.locator("#link[data-state=live]").wait_for()


def test_without_a_token_it_is_asked_for(person: Anybody, server: Server) -> None:
    """Without one the page asks; a wrong one is refused there; the right one opens it."""
    one = person()
    one.page.goto(server.url)
    one.dialog().get_by_label("Token").fill("wrong")
    one.press("Enter")
    one.dialog().get_by_role("alert").wait_for()
    one.dialog().get_by_label("Token").fill(server.token)
    one.press("Enter")
    one.page.locator("#link[data-state=live]").wait_for()


def test_a_token_that_is_wrong_is_said_to_be(person: Anybody, server: Server) -> None:
    """A wrong token in the address leads to the question, with the server's reason."""
    one = person()
    one.page.goto(f"{server.url}/#token=wrong")
    one.dialog().get_by_text("o such token").wait_for()


def test_who_may_only_read_is_told_so(person: Anybody, server: Server, swarm: Swarm) -> None:
    """With a token for reading all is seen, no button can be pressed, and the server refuses what was asked for."""
    agent = swarm.sh("echo up; sleep 60")
    token = swarm.ok("token", "create", "--read").strip()
    one = person().open(server, f"#/agents/{agent}", token=token)
    one.sees("up")
    button = one.page.get_by_role("button", name="Cancel")
    until(button.is_disabled, "no button can be pressed")
    assert button.get_attribute("title") == "this token may only read"
    assert not one.page.locator("#spawn").is_visible()
    one.press("c", "n")
    assert one.dialog().count() == 0
    got = one.page.evaluate(
        """(id) => import("/page/session.js")
             .then(({ post }) => post(`/v1/agents/${id}/cancel`)).catch((error) => error.line)""",
        agent,
    )
    assert "does not allow this" in got
    assert swarm.agent(agent)["state"] == "running"


def test_a_token_for_one_agent_shows_that_one(person: Anybody, server: Server, swarm: Swarm) -> None:
    """A token of one agent opens its output, and nothing else."""
    agent = swarm.sh("echo mine; sleep 60", "--name", "mine")
    token = swarm.ok("token", "create", "--read", "--agent", agent).strip()
    one = person()
    one.page.goto(f"{server.url}/#token={token}")
    one.page.get_by_text("sees its own agents alone").wait_for()
    one.page.goto(f"{server.url}/#/agents/{agent}")
    one.sees("mine")


def test_the_keyboard_is_enough(person: Anybody, server: Server, swarm: Swarm) -> None:
    """From the list to an agent's output, its events, another agent and back, with the help in between: no mouse."""
    first = swarm.sh("echo from the first; sleep 60", "--name", "first")
    swarm.sh("echo from the second; sleep 60", "--name", "second")
    one = person().open(server)
    until(lambda: one.page.locator(".agents .agent").count() == 2, "both are listed")
    one.press("?")
    assert "follow, or stay" in one.dialog().inner_text()
    one.press("Escape", "j", "j", "Enter")
    one.sees("from the first")
    assert one.page.url.endswith(f"#/agents/{first}")
    one.press("2")
    one.page.get_by_role("heading", name=re.compile("Run 1")).wait_for()
    one.press("1", "k")
    one.sees("from the second")
    one.press("Escape")
    one.page.get_by_role("grid", name="Agents").wait_for()
    one.press("/")
    assert one.page.evaluate("document.activeElement.id") == "search"


def test_focus_is_seen_and_kept(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Whatever Tab reaches shows an outline; a dialog keeps the focus, and gives it back."""
    swarm.ended("true")
    one = person().open(server)
    for _ in range(12):
        one.press("Tab")
        seen = one.page.evaluate(
            "(() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]; })()"
        )
        assert seen == ["solid", "2px"], one.page.evaluate("document.activeElement.outerHTML")
    one.page.locator("#spawn").focus()
    one.press("Enter")
    for _ in range(20):
        one.press("Tab")
        assert one.page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    one.press("Escape")
    assert one.page.evaluate("document.activeElement.id") == "spawn"


def test_everything_has_a_name(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Each control has a name for those who do not see it, each region a role, and no id is there twice."""
    agent = swarm.ended("echo x", "--name", "named")
    one = person().agent(server, agent)
    one.sees("x")
    nameless = one.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, a[href], [role=grid], [role=log]")]
             .filter((e) => e.checkVisibility())
             .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length))
             .map((e) => e.outerHTML)"""
    )
    assert nameless == []
    ids = one.page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    one.page.get_by_role("log", name="Output").wait_for()
    one.page.get_by_role("tab", name="Output", selected=True).wait_for()
    one.page.get_by_role("row", name=re.compile("named")).wait_for()


def test_a_phone(person: Anybody, server: Server, swarm: Swarm) -> None:
    """At 320 pixels nothing is wider than the screen: the list, an agent, its dialogs; and all can be touched."""
    agent = swarm.sh("echo a line that is a good deal longer than the screen of a phone is wide; sleep 60")
    one = person(viewport={"width": 320, "height": 600}, has_touch=True, is_mobile=True).open(server)
    fits = "document.documentElement.scrollWidth <= 320 && document.body.scrollWidth <= 320"
    one.page.locator(f"#agent-{agent}").tap()
    one.sees("a line that is")
    assert one.page.evaluate(fits)
    assert one.page.locator(".screen").bounding_box()["height"] > 200  # type: ignore[index]
    one.page.get_by_role("button", name="Cancel").tap()
    box = one.dialog().bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 320
    one.dialog().get_by_role("button", name="Keep it").tap()
    one.page.get_by_role("link", name="Back to all agents").tap()
    one.page.locator(f"#agent-{agent}").wait_for()
    assert one.page.evaluate(fits)


CONTRAST = """async () => {
  const { contrast } = await import("/page/colours.js");
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
    return rgb(getComputedStyle(document.body).backgroundColor);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.disabled) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const ratio = contrast(rgb(getComputedStyle(element).color).slice(0, 3), ground(element));
    if (ratio < 4.5) poor.push([walker.currentNode.data.slice(0, 40), element.className, ratio.toFixed(2)]);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(person: Anybody, server: Server, swarm: Swarm, scheme: str) -> None:
    """In light and in dark, as the system says, every text has a contrast of 4.5 (WCAG AA)."""
    swarm.ended("exit 1", "--name", "failed", "--label", "a=b")
    swarm.sh("sleep 60", "--name", "cancelled")
    swarm.ok("cancel", "cancelled")
    colours = "".join(
        rf"\033[3{n}mcolour \033[9{n}mbright \033[4{n}mground\033[0m \033[38;5;{n * 28}mx\033[0m\n" for n in range(8)
    )
    agent = swarm.sh(f"printf '{colours}'; echo error >&2; sleep 60", "--name", "colours")
    one = person(color_scheme=scheme).open(server)
    assert one.page.evaluate("document.documentElement.dataset.theme") == scheme
    one.page.locator(".agents .agent").nth(2).wait_for()
    assert one.page.evaluate(CONTRAST) == []
    one.page.evaluate(f"location.hash = '#/agents/{agent}'")
    one.sees("error")
    assert one.page.evaluate(CONTRAST) == []
    one.press("2")
    one.page.get_by_role("heading", name=re.compile("Run 1")).wait_for()
    assert one.page.evaluate(CONTRAST) == []
    one.press("n")
    assert one.page.evaluate(CONTRAST) == []


def test_the_theme_can_be_chosen(person: Anybody, server: Server) -> None:
    """A choice holds over a reload, against what the system says."""
    one = person(color_scheme="dark").open(server)
    one.press("T")
    assert one.page.evaluate("document.documentElement.dataset.theme") == "light"
    one.page.reload()
    one.page.locator("#link[data-state=live]").wait_for()
    assert one.page.evaluate("document.documentElement.dataset.theme") == "light"


def test_nothing_moves_for_who_wants_that(person: Anybody, server: Server) -> None:
    """With reduced motion no animation runs."""
    one = person(reduced_motion="reduce").open(server)
    one.press("n")
    assert one.page.evaluate("document.getAnimations().length") == 0
