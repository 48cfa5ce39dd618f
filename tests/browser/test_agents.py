"""The agents on the page: all of them live, found, spawned, steered."""

from __future__ import annotations

import re
from collections.abc import Callable

from support.browser import Person
from support.cli import Swarm
from support.facts import life
from support.looking import until
from support.servers import Server
from swarm_store import registry
from swarm_store.home import Home
from swarm_store.log import Log

Anybody = Callable[..., Person]


def test_what_is_spawned_in_the_dialog_is_on_the_screen(person: Anybody, server: Server, swarm: Swarm) -> None:
    """A command typed into the dialog runs, with its name and labels, and its output is there."""
    one = person().open(server)
    one.press("n")
    one.page.keyboard.type("echo 'spawned from' the page")
    one.page.get_by_label("Name").fill("typed")
    one.page.get_by_label("Labels").fill("team=web kind='a b'")
    one.page.get_by_role("button", name="Spawn", exact=True).last.click()
    one.sees("spawned from the page")
    agent = swarm.agent("typed")
    assert agent["command"] == ["echo", "spawned from", "the", "page"]
    assert agent["labels"] == {"team": "web", "kind": "a b"}
    assert one.page.locator(".who h1").inner_text() == "typed"


def test_a_line_that_needs_a_shell_gets_one(person: Anybody, server: Server, swarm: Swarm) -> None:
    """A pipe in the command makes it a line of shell, and the dialog shows that before."""
    one = person().open(server)
    one.press("n")
    one.page.keyboard.type("echo one two | wc -w")
    assert one.page.locator(".preview").inner_text() == "sh -c 'echo one two | wc -w'"
    one.press("Enter")
    one.sees("2")


def test_a_refusal_is_shown_in_the_dialog(person: Anybody, server: Server, swarm: Swarm) -> None:
    """What the server refuses stays in the dialog with the reason; mended, it is spawned."""
    one = person().open(server)
    one.press("n")
    one.page.keyboard.type("no-such-command-anywhere")
    one.press("Enter")
    fault = one.dialog().get_by_role("alert")
    fault.wait_for()
    assert "no-such-command-anywhere" in fault.inner_text()
    one.page.get_by_label("Command").fill("echo mended")
    one.press("Enter")
    one.sees("mended")


def test_the_list_is_live(person: Anybody, server: Server, swarm: Swarm) -> None:
    """An agent that others spawn appears by itself, with its last line, and its end is seen."""
    one = person().open(server)
    one.page.get_by_text("No agents yet").wait_for()
    agent = swarm.sh("echo working on it; sleep 60", "--name", "live")
    row = one.page.locator(f"#agent-{agent}")
    row.locator("[data-state=running]").wait_for()
    row.get_by_text("working on it").wait_for()
    swarm.ok("signal", agent, "KILL")
    row.locator("[data-state=failed]").wait_for()
    assert "SIGKILL" in row.inner_text()
    one.page.get_by_label("Timeline").get_by_text("failed: SIGKILL").wait_for()


def test_searching_and_filtering(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Words of name, command or label choose agents, and so do states; both are taken back at once."""
    swarm.ended("exit 1", "--name", "broken", "--label", "team=web")
    swarm.ended("true", "--name", "fine", "--label", "team=core")
    one = person().open(server)
    rows = one.page.locator(".agents .agent")
    until(lambda: rows.count() == 2, "both are listed")
    one.press("/")
    one.page.keyboard.type("team=core")
    until(lambda: rows.locator(".title").all_inner_texts() == ["fine"], "the one with the label")
    one.press("Escape")
    until(lambda: rows.count() == 2, "both again")
    one.page.get_by_role("button", name=re.compile("^failed")).click()
    until(lambda: rows.count() == 1 and "broken" in rows.first.inner_text(), "the failed one")


def test_cancel_signal_restart(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Each asks first; nothing happens without a yes; then the agent has it."""
    agent = swarm.sh("trap 'echo got hup' HUP; echo up; while :; do sleep 0.05; done", "--name", "steered")
    one = person().agent(server, agent)
    one.sees("up")
    one.press("c")
    one.dialog().get_by_role("button", name="Keep it").click()
    one.press("s")
    one.dialog().get_by_role("button", name="Send it").click()
    one.sees("got hup")
    one.press("c")
    one.dialog().get_by_role("button", name="Cancel the agent").click()
    one.page.locator(".who [data-state=cancelled]").wait_for()
    one.press("r")
    one.dialog().get_by_role("button", name="Start a new run").click()
    one.page.locator(".who [data-state=running]").wait_for()
    until(lambda: swarm.agent(agent)["run"] == 2, "the second run")
    one.press("2")
    one.page.get_by_role("heading", name=re.compile("Run 2")).wait_for()


def test_an_ended_agent_is_removed(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Removing asks, removes, and goes back to the list, which has it no more."""
    agent = swarm.ended("echo x", "--name", "old")
    one = person().agent(server, agent)
    one.page.get_by_role("button", name="Remove").click()
    one.dialog().get_by_role("button", name="Remove it").click()
    one.page.get_by_text("No agents yet").wait_for()
    assert swarm.json("list", "--all") == []


def test_five_hundred_agents(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Of five hundred agents only the rows on screen are made, and the last is a key away."""
    with Log(Home(str(swarm.home))) as log:
        registry.publish(log, *(event for n in range(500) for event in life(f"id{n:03}", name=f"job-{n:03}")))
    one = person().open(server)
    rows = one.page.locator(".agents .agent")
    until(lambda: one.page.locator(".agents").get_attribute("aria-rowcount") == "500", "all are counted")
    assert rows.count() < 60
    one.page.locator("#order").select_option("name")
    one.page.locator(".agent", has_text="job-000").wait_for()
    one.page.locator(".agents").focus()
    one.press("End")
    one.page.locator(".agent.selected", has_text="job-499").wait_for()


def test_input_is_sent(person: Anybody, server: Server, swarm: Swarm) -> None:
    """An agent that takes input can be spoken with; one that does not has no such button."""
    agent = swarm.spawn(
        "--input", "--name", "listens", "--", "sh", "-c", 'while read -r x; do echo "heard $x"; done; echo bye'
    )
    deaf = swarm.sh("echo deaf; sleep 60")
    one = person().agent(server, agent)
    one.page.get_by_role("button", name="Send input").wait_for()
    one.press("i")
    one.page.keyboard.type("a word")
    one.dialog().get_by_role("button", name="Send", exact=True).click()
    one.sees("heard a word")
    one.press("i")
    one.page.get_by_label("and close its stdin afterwards").check()
    one.dialog().get_by_role("button", name="Send", exact=True).click()
    one.sees("bye")
    one.page.evaluate(f"location.hash = '#/agents/{deaf}'")
    one.sees("deaf")
    assert not one.page.get_by_role("button", name="Send input").is_visible()


def test_what_is_filled_in_below_more(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Every field of the dialog reaches the agent; one that cannot be is named, and nothing is spawned."""
    one = person().open(server)
    one.press("n")
    one.page.keyboard.type("sh -c 'cat; echo $GREETING; pwd; sleep 60'")
    one.page.get_by_text("More", exact=True).click()
    for label, value in FILLED.items():
        one.page.get_by_label(label, exact=True).fill(value)
    one.page.get_by_label("Restart", exact=True).select_option("on-failure")
    one.page.get_by_label("Timeout").fill("soon")
    one.press("Enter")
    one.dialog().get_by_text("not a duration: soon").wait_for()
    one.page.get_by_label("Timeout").fill("1h")
    one.press("Enter")
    one.sees("hello there")
    agent = swarm.json("list")[0]
    wanted = {"cwd": "/", "restart": "on-failure", "max_restarts": 3, "timeout": 3600, "grace": 90, "silence": 600}
    assert {key: agent[key] for key in wanted} == wanted
    assert b"from stdin" in swarm.logs(agent["id"])


FILLED = {
    "Directory": "/",
    "Environment": "GREETING=hello there",
    "Most restarts": "3",
    "Grace": "1m30s",
    "Silence": "10m",
    "Input": "from stdin\n",
}
