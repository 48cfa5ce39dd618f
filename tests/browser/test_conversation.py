"""Agents of a kind on the page: the conversation, what is asked and who answers it, the next turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from support.browser import Person
from support.cli import Swarm
from support.looking import until
from support.servers import Server
from support.spoken import Spoken, end_all

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Route

Anybody = Callable[..., Person]
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\x1b[31mred\x1b]0;t\x07 \u202eright\u202c **bold**"


@pytest.fixture
def speaks(swarm: Swarm, server: Server) -> Iterator[Spoken]:
    """An agent whose session is events alone."""
    spoken = Spoken(swarm.home, "fixer123", name="fixer")
    spoken.open()
    yield spoken
    end_all(swarm.home)


def items(one: Person) -> list[str]:
    """What is on the page of the conversation, item by item, without times and marks."""
    texts: list[str] = one.page.evaluate(
        """() => [...document.querySelectorAll(".items > .item")].map((item) => {
             const copy = item.cloneNode(true);
             for (const part of copy.querySelectorAll("time, .answer")) part.remove();
             return `${item.className}|${copy.textContent}`;
           })"""
    )
    return texts


def card(one: Person, approval: str) -> Locator:
    """What shows an approval."""
    return one.page.locator(f".asked[data-id={approval}]")


def test_a_conversation_is_live_and_the_same_after_a_reload(person: Anybody, server: Server, speaks: Spoken) -> None:
    """An agent of a kind opens on what it says, each thing as it comes; read anew it is the same."""
    one = person().agent(server, speaks.id)
    one.page.get_by_role("tab", name="Conversation", selected=True).wait_for()
    speaks.take("Fix the tests.\nAll of them.")
    one.page.locator(".item.user .text", has_text="All of them.").wait_for()
    speaks.message("I look at them first.", role="thought")
    speaks.tool("c1", "Bash", {"command": "ls -l", "timeout": 5}, "a.py\nb.py\n")
    speaks.tool("c2", "Read", {"file_path": "a.py"}, "no such file", status="failed")
    speaks.message("There are two:\n\n\ta.py\n\tb.py")
    speaks.use(input=1200, output=34, cost=5600, cache_read=300)
    speaks.complete()
    one.page.locator(".item.outcome").wait_for()
    one.page.locator(".about", has_text="1 of 1").wait_for()
    seen = items(one)
    assert [text.partition("|")[0].split()[1] for text in seen] == [
        *("note", "user", "thought", "tool", "tool", "said", "outcome")
    ]
    assert "ann@desk" in seen[1] and "Fix the tests.\nAll of them." in seen[1]
    assert "a.py\nb.py" in seen[3] and "failed" in seen[4]
    assert "1,500 tokens in, 34 out, $0.0056" in seen[6]
    one.page.reload()
    one.page.locator(".item.outcome").wait_for()
    assert items(one) == seen
    one.page.locator(".item.tool summary").first.click()
    assert '"timeout": 5' in one.page.locator(".item.tool pre").first.inner_text()
    one.press("2")
    one.page.get_by_role("tab", name="Output", selected=True).wait_for()
    one.press("3")
    one.page.get_by_text("turn 0: completed").wait_for()


def test_an_approval_appears_and_is_answered(person: Anybody, server: Server, swarm: Swarm, speaks: Spoken) -> None:
    """What is asked is seen at once, in the list, the title and the conversation, and is answered there."""
    one = person().open(server)
    speaks.take("Push it.")
    speaks.ask("aaaaaaaa", "git push origin main")
    one.page.locator(f"#agent-{speaks.id}", has_text="for approval").wait_for()
    until(lambda: one.page.title().startswith("(1)"), "the title says that one waits")
    assert one.page.locator("#to-approvals .count").inner_text() == "1"
    one.page.locator(f"#agent-{speaks.id}").click()
    asked = card(one, "aaaaaaaa")
    asked.get_by_text("git push origin main").wait_for()
    asked.get_by_role("button", name="Approve").click()
    asked.get_by_text("allowed by page (token admin), not delivered yet").wait_for()
    assert asked.get_by_role("button", name="Approve").is_hidden()
    assert asked.evaluate("(card) => card === document.activeElement")
    speaks.go_on("aaaaaaaa")
    until(lambda: one.page.title().startswith("fixer"), "nobody waits any more")
    asked.get_by_text(re.compile("admin.$")).wait_for()
    assert swarm.json("approvals", "--all")[0]["state"] == "granted"


def test_an_input_is_edited_and_a_message_told(person: Anybody, server: Server, swarm: Swarm, speaks: Spoken) -> None:
    """An editable input may be another; what is no JSON is refused here; a denial may say why."""
    speaks.ask("aaaaaaaa", "rm -rf build")
    speaks.ask("bbbbbbbb", "git push", editable=False)
    one = person().agent(server, speaks.id)
    asked = card(one, "aaaaaaaa")
    asked.get_by_role("button", name="Edit").click()
    asked.get_by_label("The input, as JSON").fill("{nonsense")
    asked.get_by_role("button", name="Always").click()
    one.page.get_by_text("no JSON object").wait_for()
    asked.get_by_label("The input, as JSON").fill('{"command": "rm -r build/cache"}')
    asked.get_by_role("button", name="Always").click()
    asked.get_by_text("for good").wait_for()
    other = card(one, "bbbbbbbb")
    assert other.get_by_role("button", name="Edit").is_hidden()
    other.get_by_label("Message to the agent").fill("Not on a Friday")
    one.press("Enter")
    other.get_by_text("Not on a Friday").wait_for()
    granted, denied = swarm.json("approvals", "--all")
    assert (granted["always"], granted["answer_input"]) == (True, {"command": "rm -r build/cache"})
    assert (denied["state"], denied["message"]) == ("denied", "Not on a Friday")


def test_the_second_of_two_people_is_told(person: Anybody, server: Server, swarm: Swarm, speaks: Spoken) -> None:
    """Of two who see one approval the first is heard; the other sees who that was, and nothing of theirs counts."""
    speaks.ask("aaaaaaaa")
    one, two = person().open(server, "#/approvals"), person().open(server, "#/approvals")
    for each in (one, two):
        card(each, "aaaaaaaa").get_by_role("link", name="fixer").wait_for()
    two.page.route("**/v1/events?**", lambda route: None)  # the news do not reach them in time
    two.page.reload()
    two.page.locator("#link[data-state=live]").wait_for()
    card(two, "aaaaaaaa").wait_for()
    card(one, "aaaaaaaa").get_by_role("button", name="Deny").click()
    card(one, "aaaaaaaa").get_by_text("denied by page").wait_for()
    card(two, "aaaaaaaa").get_by_role("button", name="Approve").click()
    two.page.locator(".toast", has_text="was denied by page (token admin) at").wait_for()
    card(two, "aaaaaaaa").get_by_text("denied by page").wait_for()
    assert [one["state"] for one in swarm.json("approvals", "--all")] == ["denied"]


def test_all_that_is_asked_in_one_place(person: Anybody, server: Server, swarm: Swarm, speaks: Spoken) -> None:
    """The approvals of all agents are in one place, live; what others answer is told there too."""
    one = person().open(server)
    one.press("A")
    one.page.get_by_text("Nothing is asked").wait_for()
    speaks.ask("aaaaaaaa")
    other = Spoken(swarm.home, "other123")
    other.ask("bbbbbbbb", "make deploy")
    card(one, "aaaaaaaa").wait_for()
    card(one, "bbbbbbbb").get_by_text("make deploy").wait_for()
    swarm.ok("deny", "bbbbbbbb", "--message", "later")
    card(one, "bbbbbbbb").get_by_text("later").wait_for()
    card(one, "aaaaaaaa").get_by_role("button", name="Approve").click()
    card(one, "aaaaaaaa").get_by_text("allowed by page").wait_for()


def test_hostile_text_is_text(person: Anybody, server: Server, speaks: Spoken) -> None:
    """Whatever is said, asked, used or sent is shown as text: no markup, no control character, no direction."""
    speaks.take(HOSTILE)
    speaks.message(HOSTILE)
    speaks.message(HOSTILE, role="thought")
    speaks.message(HOSTILE, role="notice")
    speaks.tool("c1", HOSTILE, {"command": HOSTILE, HOSTILE: HOSTILE}, HOSTILE)
    speaks.ask("aaaaaaaa", HOSTILE, tool=HOSTILE, until=HOSTILE)
    speaks.complete("failed", reason=HOSTILE)
    one = person().agent(server, speaks.id)
    one.page.locator(".item.outcome").wait_for()
    card(one, "aaaaaaaa").wait_for()
    text = one.page.locator(".items").inner_text()
    assert text.count("<script>alert(2)</script>") >= 7
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", text)
    assert one.page.locator(".items :is(img, script)").count() == 0
    one.page.evaluate("location.hash = '#/approvals'")
    card(one, "aaaaaaaa").wait_for()


def test_a_turn_is_sent_and_interrupted(person: Anybody, server: Server, swarm: Swarm, speaks: Spoken) -> None:
    """Enter sends what was written, Shift+Enter begins a line; it is queued until it begins; Interrupt ends it."""
    one = person().agent(server, speaks.id)
    one.press("i")
    one.page.keyboard.type("First line")
    one.press("Shift+Enter")
    one.page.keyboard.type("second")
    one.press("Enter")
    one.page.locator(".item.user[data-status=queued] .text", has_text="second").wait_for()
    assert one.page.get_by_label("The next turn").input_value() == ""
    assert one.page.get_by_label("The next turn").evaluate("(box) => box === document.activeElement")
    sent = [event for event in swarm.json("events", speaks.id) if event["type"] == "turn:sent"]
    assert [event["data"]["by"] for event in sent] == ["page (token admin)"]
    speaks.begin()
    one.page.locator(".item.user:not([data-status])", has_text="First line\nsecond").wait_for()
    assert one.page.locator(".item.user").count() == 1
    one.page.get_by_role("button", name="Interrupt").click()
    one.page.get_by_text("asked to stop by page (token admin)").wait_for()
    speaks.complete("interrupted")
    one.page.get_by_role("button", name="Interrupt").wait_for(state="hidden")


def test_a_token_for_reading_answers_nothing(person: Anybody, server: Server, swarm: Swarm, speaks: Spoken) -> None:
    """With a token that reads, or an agent's own, the conversation is there, and no button that would be refused."""
    speaks.ask("aaaaaaaa")
    reader = swarm.ok("token", "create", "--read").strip()
    own = swarm.ok("token", "create", "--control", "--agent", speaks.id).strip()
    one, two = person().open(server, f"#/agents/{speaks.id}", reader), person()
    card(one, "aaaaaaaa").get_by_text("waits for an answer").wait_for()
    assert card(one, "aaaaaaaa").get_by_role("button", name="Approve").is_hidden()
    assert one.page.get_by_label("The next turn").is_hidden()
    two.page.goto(f"{server.url}/#token={own}")
    two.page.evaluate(f"location.hash = '#/agents/{speaks.id}'")
    card(two, "aaaaaaaa").wait_for()
    assert card(two, "aaaaaaaa").get_by_role("button", name="Approve").is_hidden()
    assert two.page.get_by_label("The next turn").is_visible()


def test_five_thousand_messages(person: Anybody, server: Server, speaks: Spoken) -> None:
    """A long conversation is there at its end at once, is read in both directions to its ends, and is held in part."""
    speaks.take("Count.")
    speaks.messages([f"message {n} " + "x" * 300 for n in range(5000)])
    one = person().agent(server, speaks.id)
    one.page.locator(".item", has_text="message 4999 ").wait_for()
    assert one.page.locator(".item").count() < 1000
    scroll = one.page.locator(".talk-scroll")
    seen: set[str] = set()

    def gather() -> bool:
        first = one.page.locator(".item.said .text").first.inner_text().split()[1]
        seen.add(first)
        scroll.evaluate("(box) => { box.scrollTop = 0; }")
        return first == "0"

    for _ in range(12):
        gather()
        one.page.wait_for_timeout(100)
    assert len(seen) > 5 and one.page.locator(".item").count() < 1000
    scroll.focus()
    one.press("g")
    one.page.locator(".item.user", has_text="Count.").wait_for()
    assert one.page.locator(".item").count() < 1000
    one.page.get_by_role("button", name="To the end").click()
    one.page.locator(".item", has_text="message 4999 ").wait_for()
    speaks.message("and one more")
    one.page.locator(".item", has_text="and one more").wait_for()
    assert one.page.evaluate("window.longest") < 500


def test_the_conversation_goes_on_after_the_server_was_killed(person: Anybody, swarm: Swarm, speaks: Spoken) -> None:
    """Where the server is killed and started anew, what was said meanwhile comes, and nothing comes twice."""
    first = Server(swarm.home).up()
    one = person().agent(first, speaks.id)
    one.page.locator(".item.note").wait_for()
    first.process.kill()
    first.process.wait()
    for n in range(3):
        speaks.message(f"meanwhile {n}")
    again = Server(swarm.home, "--port", str(first.port)).up()
    try:
        one.page.locator(".item.said", has_text="meanwhile 2").wait_for()
        assert [text.rpartition("meanwhile ")[2] for text in items(one)[1:]] == ["0", "1", "2"]
    finally:
        again.end()


def test_an_agent_of_a_kind_is_spawned(person: Anybody, server: Server, swarm: Swarm) -> None:
    """The dialog has kinds beside commands: what is written is the first turn of the agent that it opens."""
    one = person().open(server)
    one.press("n")
    one.page.get_by_label("What", exact=True).select_option("other")
    one.page.get_by_label("Kind", exact=True).fill("acp:cat")
    one.page.get_by_label("Prompt").fill("Fix it.")
    one.page.get_by_label("Name").fill("typed")
    one.page.get_by_role("button", name="Spawn", exact=True).last.click()
    one.page.get_by_role("tab", name="Conversation", selected=True).wait_for()
    assert swarm.agent("typed")["command"] == ["acp:cat", "Fix it."]


def test_on_a_phone(person: Anybody, server: Server, speaks: Spoken) -> None:
    """On a phone the conversation and its approval fit the width, and are answered."""
    speaks.take("Push " + "x" * 400)
    speaks.message("word " * 300)
    speaks.ask("aaaaaaaa", "git push --force " + "y" * 300)
    one = person(viewport={"width": 360, "height": 640}, has_touch=True).agent(server, speaks.id)
    card(one, "aaaaaaaa").wait_for()
    wide = one.page.evaluate(
        "() => Math.max(document.scrollingElement.scrollWidth, document.querySelector('.talk-scroll').scrollWidth)"
    )
    assert wide <= 360
    card(one, "aaaaaaaa").get_by_role("button", name="Deny").tap()
    card(one, "aaaaaaaa").get_by_text("denied by page").wait_for()


def test_another_text_is_another_turn(person: Anybody, server: Server, swarm: Swarm, speaks: Spoken) -> None:
    """Where the answer to a turn was lost on the way, what is sent instead of it is sent too; the same again is not."""
    one = person().agent(server, speaks.id)
    box = one.page.get_by_label("The next turn")

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    one.page.route("**/turns", lose)
    box.fill("one")
    box.press("Enter")
    one.page.locator(".item.user .text", has_text="one").wait_for()
    one.page.unroute("**/turns")
    box.press("Enter")
    until(lambda: box.input_value() == "", "it is known to be sent")
    one.page.route("**/turns", lose)
    box.fill("two")
    box.press("Enter")
    one.page.locator(".item.user .text", has_text="two").wait_for()
    one.page.unroute("**/turns")
    box.fill("three")
    box.press("Enter")
    one.page.locator(".item.user .text", has_text="three").wait_for()
    sent = swarm.json("events", speaks.id, "--type", "turn:sent")
    assert len(sent) == 3
