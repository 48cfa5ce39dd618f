"""One agent's output on the page: all of it, as fast as it comes, and nothing of it twice."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from support.browser import Person
from support.cli import Swarm
from support.looking import until
from support.servers import Server, serving

Anybody = Callable[..., Person]
# Writes numbered, coloured lines at a rate, and says which was the last.
FLOOD = """
import sys, time
megabytes, seconds = map(float, sys.argv[1:])
began, n, sent = time.monotonic(), 0, 0
while time.monotonic() - began < seconds:
    lines = b"".join(b"%09d the quick brown fox \\x1b[3%dmjumps\\x1b[0m over the lazy dog\\n" % (i, i % 8)
                     for i in range(n, n + 500))
    n += 500
    sys.stdout.buffer.write(lines)
    sys.stdout.flush()
    sent += len(lines)
    time.sleep(max(0, sent / (megabytes * 1e6) - (time.monotonic() - began)))
print("end after", n)
"""


def python(swarm: Swarm, code: str, *arguments: str) -> str:
    """Spawn a Python program; its agent's id."""
    return swarm.spawn("--", sys.executable, "-c", code, *arguments)


def test_a_hundred_thousand_lines(person: Anybody, server: Server, swarm: Swarm) -> None:
    """The last and the first of 100,000 lines are there, each a key away, and few rows are ever made."""
    agent = swarm.ended("seq 1 100000")
    one = person().agent(server, agent)
    one.sees("100000")
    one.press("g")
    until(lambda: one.rows()[:3] == ["1", "2", "3"], "the first lines")
    assert one.page.locator(".screen .row").count() < 120
    one.page.locator(".screen").press("End")
    until(lambda: "100000" in one.rows(), "the last line")
    one.page.evaluate("document.querySelector('.screen').scrollTop = 49990 * 18")
    until(lambda: "50000" in one.rows(), "one in the middle")


def test_every_line_once(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Scrolling from the first to the last row shows each of 4,000 lines once, in order."""
    agent = swarm.ended("seq 1 4000")
    one = person().agent(server, agent)
    one.sees("4000")
    assert one.all_rows()[:-1] == [str(n) for n in range(1, 4001)]


def test_the_first_byte_of_what_is_larger_than_memory(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Of 60 MB the beginning is a key away, and from there the end; the page keeps a bounded part of it."""
    agent = swarm.ended("seq -f 'line %.0f of a text that fills sixty megabytes with ease' 1 1000000")
    one = person().agent(server, agent)
    one.sees("line 1000000 of")
    one.press("g")
    one.sees("line 1 of")
    one.page.locator(".screen").focus()
    for _ in range(150):
        one.page.mouse.move(640, 400)
        one.page.mouse.wheel(0, 100_000)
        one.page.wait_for_timeout(5)
    held = one.page.locator(".numbers").inner_text()
    assert int(held.split(" rows")[0].replace(",", "").split(" ")[-1]) < 700_000
    one.press("G")
    one.sees("line 1000000 of")


def test_nothing_but_newlines(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Of twelve million empty lines no more are laid out than a browser can scroll; both ends are there."""
    agent = swarm.ended("echo begin; head -c 12000000 /dev/zero | tr '\\0' '\\n'; echo end")
    one = person().agent(server, agent)
    one.sees("end of run 1")
    one.press("g")
    one.sees("begin")
    for _ in range(60):
        one.page.evaluate(
            "{ const screen = document.querySelector('.screen'); screen.scrollTop = screen.scrollHeight; }"
        )
        one.page.wait_for_timeout(20)
    assert one.page.evaluate("document.querySelector('.screen').scrollHeight") < 16_000_000
    one.press("G")
    until(lambda: "end" in one.rows(), "the end")


def test_ten_megabytes_a_second(person: Anybody, server: Server, swarm: Swarm) -> None:
    """While an agent writes 10 MB/s the page follows, frames go on, and a key is obeyed; it keeps up to the end."""
    agent = python(swarm, FLOOD, "10", "6")
    one = person().agent(server, agent)
    one.page.locator(".screen .row").first.wait_for()
    one.page.evaluate(FRAMES)
    until(lambda: swarm.agent(agent)["ended_at"], "its end")
    one.sees("end after")
    frames = one.page.evaluate("window.gaps.sort((a, b) => a - b)")
    assert frames[len(frames) // 2] < 100, f"half of the frames took longer: {frames[len(frames) // 2]:.0f} ms"
    assert frames[-1] < 1500, f"the page stood still for {frames[-1]:.0f} ms"
    one.press("t")
    one.page.locator("[data-name=times][aria-pressed=true]").wait_for()


FRAMES = """() => {
  window.gaps = [];
  let last = performance.now();
  const frame = () => {
    const now = performance.now();
    gaps.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""


def test_a_killed_server_is_no_gap(person: Anybody, server: Server, swarm: Swarm) -> None:
    """The server is killed in mid-stream and another started: the page says so, goes on, and misses nothing."""
    agent = swarm.sh("n=0; while [ $n -lt 2000 ]; do n=$((n+1)); echo $n; [ $((n%10)) = 0 ] && sleep 0.01; done")
    one = person().agent(server, agent)
    until(lambda: any(row.isdigit() and int(row) > 200 for row in one.rows()), "a part of it")
    server.stop(signal.SIGKILL)
    one.page.locator("#link[data-state=waiting]").wait_for()
    with serving(swarm.home, "--port", str(server.port)):
        one.page.locator("#link[data-state=live]").wait_for()
        one.page.locator(".who [data-state=completed]").wait_for()
        one.sees("end of run 1")
        assert one.all_rows()[:-1] == [str(n) for n in range(1, 2001)]


HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_hidden_tab_lets_go_and_comes_back(person: Anybody, server: Server, swarm: Swarm) -> None:
    """A tab that nobody sees holds no connection after a while; seen again it has every line, once."""
    agent = swarm.sh("for n in $(seq 1 200); do echo $n; sleep 0.06; done")
    one = person()
    held: set[object] = set()
    one.page.on("request", lambda request: held.add(request) if "live=sse" in request.url else None)
    one.page.on("requestfailed", lambda request: held.discard(request))
    one.page.on("requestfinished", lambda request: held.discard(request))
    one.agent(server, agent)
    one.page.locator(".screen .row").first.wait_for()
    assert held
    one.page.evaluate(HIDE, True)
    one.page.wait_for_timeout(10_500)  # longer than a hidden tab holds on to them
    assert not held
    one.page.evaluate(HIDE, False)
    one.page.locator(".who [data-state=completed]").wait_for()
    one.sees("end of run 1")
    assert one.all_rows()[:-1] == [str(n) for n in range(1, 201)]


def test_stdout_and_stderr_are_told_apart(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Lines of stderr are marked with a word and a colour, and each stream can be hidden."""
    agent = swarm.ended("echo good; echo bad >&2; echo fine")
    one = person().agent(server, agent)
    one.sees("fine")
    assert one.page.locator(".row.stderr").all_inner_texts() == ["errbad"]
    one.press("o")
    until(lambda: one.rows()[:1] == ["bad"], "stderr alone")
    one.press("o", "e")
    until(lambda: one.rows()[:2] == ["good", "fine"], "stdout alone")


def test_characters_that_chunks_cut(person: Anybody, server: Server, swarm: Swarm) -> None:
    """A character whose bytes come in two chunks is whole, and so are lines that come in pieces."""
    code = "import os, time\nfor b in 'naïve € 日本 🙂\\n'.encode(): os.write(1, bytes([b])); time.sleep(0.02)"
    agent = python(swarm, code)
    one = person().agent(server, agent)
    one.sees("naïve € 日本 🙂")
    until(lambda: len(one.rows()) == 2, "one line, and the end")


def test_colours(person: Anybody, server: Server, swarm: Swarm) -> None:
    """The 16, the 256 and any other colour are shown, with bold and underline, and never ones that cannot be read."""
    text = r"\033[1;31mred\033[0m \033[38;5;208morange\033[0m \033[38;2;1;2;3mdark\033[m \033[4munder\033[24m plain\n"
    agent = swarm.ended(f"printf '{text}'")
    one = person(color_scheme="dark").agent(server, agent)
    one.sees("red orange dark under plain")
    style = one.page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".screen .row span")].map((s) =>
             [s.textContent.trim(), [s.style.color, s.style.fontWeight, s.style.textDecorationLine]]))"""
    )
    assert style["red"][1] == "700" and style["red"][0]
    assert style["orange"][0] == "rgb(255, 135, 0)"
    assert style["dark"][0] not in ("rgb(1, 2, 3)", "")  # on a dark ground it would not be seen
    assert style["under"][2] == "underline"


def test_scrolled_back_it_stays_there(person: Anybody, server: Server, swarm: Swarm) -> None:
    """Who has scrolled back is not moved by what comes; at the end it follows again."""
    agent = swarm.sh("seq 1 500; n=500; while :; do n=$((n+1)); echo $n; sleep 0.02; done")
    one = person().agent(server, agent)
    until(lambda: any(row.isdigit() and int(row) > 505 for row in one.rows()), "what it writes now")
    one.press("g")
    until(lambda: one.rows()[:1] == ["1"], "the beginning")
    one.page.wait_for_timeout(500)
    assert one.rows()[0] == "1"
    assert one.page.locator("[data-name=follow]").get_attribute("aria-pressed") == "false"
    one.press("G")
    until(lambda: any(row.isdigit() and int(row) > 550 for row in one.rows()), "what it writes now")
    assert one.page.locator("[data-name=follow]").get_attribute("aria-pressed") == "true"


def test_searching_in_all_of_it(person: Anybody, server: Server, swarm: Swarm) -> None:
    """What is searched for is found beyond what is in memory, marked, and the next place too."""
    agent = swarm.ended("seq -f 'needle %.0f' 1 2; seq -f 'straw %.0f in a stack that is large enough' 1 400000")
    one = person().agent(server, agent)
    one.sees("straw 400000")
    one.press("/")
    one.page.keyboard.type("NEEDLE")
    one.press("Enter")
    one.page.locator(".screen mark").first.wait_for()
    assert one.row("needle 2").is_visible()
    one.page.locator("#find").fill("no such thing")
    one.press("Enter")
    one.page.get_by_text("nothing further up").wait_for()


def test_what_is_downloaded_is_what_was_written(person: Anybody, server: Server, swarm: Swarm, tmp_path: Path) -> None:
    """A download has the agent's bytes, each as it came."""
    agent = swarm.ended(r"printf 'a\000b\377\n'; seq 1 1000", "--name", "bytes")
    one = person().agent(server, agent)
    one.sees("1000")
    with one.page.expect_download() as download:
        one.press("d")
    download.value.save_as(tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == swarm.logs(agent)
    assert download.value.suggested_filename == "bytes.log"


HOSTILE = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>",
    "link": "\x1b]8;;javascript:alert(4)\x07click\x1b]8;;\x07",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07after",
    "title": "\x1b]0;owned\x07after",
    "unfinished": "\x1b]52;c;never ended",
    "screen": "\x1b[2J\x1b[H\x1b[?1049h\x1b[999;999Hafter",
    "bidi": "safe \u202egnp.exe\u2066 \u200b\u2028 end",
    "controls": "nul \x00 bell \x07 back \x08 c1 \x9b31m end",
    "overwritten": "rm -rf /\recho hello",
    "invisible": "\x1b[8;30;40mhidden\x1b[0m",
    "zalgo": "z" + "\u0335\u0489" * 200,
}


def test_hostile_output_runs_nothing(person: Anybody, server: Server, swarm: Swarm, tmp_path: Path) -> None:
    """Markup, escape sequences, bidi controls, NULs, broken UTF-8, a line of a megabyte: text, each in its own row."""
    (tmp_path / "bad").write_bytes(
        b"\n".join(text.encode("utf-8", "surrogateescape") for text in HOSTILE.values())
        + b"\nbroken \xff\xfe\xc3 utf-8 \xed\xa0\x80\n"
        + b"<b>long</b>" * 100_000
        + b"\nthe last line\n"
    )
    command = "<img src=x onerror=alert(5)>\u202e"
    agent = swarm.spawn(
        "--label", "x=<script>alert(6)</script>", "--", "sh", "-c", f"cat '{tmp_path}/bad'; : '{command}'"
    )
    one = person().agent(server, agent)
    one.sees("the last line")
    one.press("g")
    one.sees(HOSTILE["script"])
    texts = "\n".join(one.rows())
    for shown in (
        "click",
        "after",
        "hidden",
        r"\u202egnp.exe\u2066",
        r"nul \x00 bell \x07",
        r"\r echo hello",
        "broken",
    ):
        assert shown in texts, shown
    assert "owned" not in texts and "cm0g" not in texts
    one.press("x")
    one.sees(r"\x1b]52;c;cm0gLXJmIC8=\x07after")
    heights = one.page.evaluate(
        "[...new Set([...document.querySelectorAll('.screen .row')].map((r) => r.offsetHeight))]"
    )
    assert heights == [18]
    assert one.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert one.page.evaluate("document.querySelectorAll('.screen :is(script, img, svg, a, b)').length") == 0
    one.page.locator("body").press("Escape")
    one.page.locator(f"#agent-{agent}").get_by_text("x=<script>").wait_for()
    one.press("2")


def test_hostile_names_in_the_log(person: Anybody, server: Server, swarm: Swarm) -> None:
    """An agent whose name, labels and events were written by a stranger is shown as text."""
    evil = "<img src=x onerror=alert(7)>\u202e\x1b[31m"
    record = {"id": "evil0001", "name": evil, "labels": {evil: evil}, "command": [evil, "\x00"], "cwd": evil}
    one = person().open(server)
    one.page.evaluate(
        """async (agent) => {
          const { Agents, titleOf } = await import("/page/agents.js");
          const { AgentList } = await import("/page/list.js");
          const agents = new Agents();
          agents.apply([{ type: "agent", key: agent.id, value: agent, headers: { operation: "insert" } }]);
          const list = new AgentList(agents, { of: () => null, shown: [] }, { onOpen() {}, onSpawn() {} });
          document.getElementById("main").replaceChildren(list.element);
          list.draw();
        }""",
        json.loads(json.dumps({**record, "state": "running", "run": 1, "created_at": "2026-01-01T00:00:00.000000Z"})),
    )
    row = one.page.locator("#agent-evil0001")
    row.wait_for()
    assert r"<img src=x onerror=alert(7)>\u202e\x1b[31m" in row.inner_text()
    assert one.page.locator("#main img").count() == 0
