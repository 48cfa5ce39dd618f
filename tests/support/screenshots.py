"""`make screenshots`: the pictures of the page in docs/screenshots, of a swarm that runs while they are taken."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from support.browser import CHROMIUM, Person, chromium
from support.cli import Swarm, swarm_in
from support.looking import until
from support.servers import Server, serving
from support.spoken import Spoken, end_all

PLACE = Path(__file__).parents[2] / "docs" / "screenshots"
GREEN, RED, DIM, BOLD, BLUE, END = (f"\033[{code}m" for code in ("32", "31", "2", "1", "38;5;75", "0"))
AMBER = "\033[38;2;232;180;90m"

TESTS = f"""
i=0
while [ $i -lt 90 ]; do
  i=$((i+1))
  printf '{GREEN}PASS{END} {DIM}src/{END}checkout/step_%02d.test.ts {DIM}(%d ms){END}\\n' $i $((i * 37 % 90 + 11))
  [ $((i % 17)) = 0 ] && printf '{RED}FAIL{END} {DIM}src/{END}checkout/refund_%02d.test.ts\\n' $i &&
    echo "  expected 200, got 409: the order was paid twice" >&2
  sleep 0.03
done
printf '{BOLD}Tests:{END} {RED}5 failed{END}, {GREEN}90 passed{END}, 95 total\\n'
sleep 600
"""
AUTH = f"""
printf '{AMBER}●{END} Reading {BLUE}src/auth/session.ts{END} and the three tests that fail\\n'
printf '  {DIM}└{END} 412 lines\\n'
printf '{AMBER}●{END} The refresh token is rotated before it is stored: a crash in between logs everybody out\\n'
printf '{AMBER}●{END} Editing {BLUE}src/auth/session.ts{END}\\n'
printf '  \\033[48;5;22m+   await store.put(next, {{ ttl: DAY }});{END}\\n'
printf '  \\033[48;5;52m-   rotate(current);{END}\\n'
printf '{AMBER}●{END} Running the tests again\\n'
sleep 600
"""


PROGRAMS = {
    "claude": AUTH,
    "npm": TESTS,
    "eslint": "echo 'src/app.ts:14:7 error  no-floating-promises' >&2; exit 1",
    "mkdocs": "echo built 84 pages",
    "migrate": "echo 'migrating orders: 1.2 of 4.0 million rows'; sleep 600",
    "codex": "echo 'Comment on src/cart.ts:88: this drops the error'; sleep 600",
    "watch": "echo 'build 4412 is green'; sleep 600",
    "bisect": "echo 'flaky: 3 of 200 runs'; kill -SEGV $$",
}  # what stands in for programs that may not be here


def spawn_all(swarm: Swarm) -> dict[str, str]:
    """A swarm as somebody might have it; ids by name."""
    programs = swarm.cwd / "bin"
    programs.mkdir()
    for name, script in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    swarm.env["PATH"] = f"{programs}:{swarm.env['PATH']}"

    def spawn(name: str, *words: str) -> str:
        return swarm.spawn("--name", name, "--cwd", "/", *words)

    spawn("lint", "--label", "kind=check", "--", "eslint", "src")
    spawn("docs", "--label", "kind=check", "--", "mkdocs", "build")
    spawn("migrate-db", "--label", "team=data", "--", "migrate", "orders")
    swarm.ok("cancel", "migrate-db")
    fix = spawn("fix-auth", "--label", "team=web", "--", "claude", "-p", "fix the failing tests")
    spawn("review-812", "--label", "team=web", "--", "codex", "review", "812")
    spawn("watch-build", "--restart", "always", "--label", "team=core", "--", "watch", "build")
    tests = spawn("e2e", "--label", "team=web", "--label", "kind=check", "--", "npm", "run", "e2e")
    spawn("bisect", "--label", "team=core", "--", "bisect", "HEAD~20")
    swarm.ok("restart", "watch-build", "--grace", "0s")
    until(lambda: b"95 total" in swarm.logs("e2e"), "its tests")
    return {"fix-auth": fix, "e2e": tests}


def converse(swarm: Swarm) -> None:
    """AI agents in the midst of their work, each of which asks something."""
    login = Spoken(
        swarm.home, "k3m7q2xa", name="fix-login", labels={"team": "web"}, command=["claude", "Fix the login"]
    )
    login.open(model="a-model")
    login.take("The login tests fail since yesterday. Find out why, and fix it.")
    login.message("The refresh token may be rotated before it is stored; I look at the tests first.", role="thought")
    failing = "  login\n    1) keeps the session\n    2) refreshes once\n\n  2 failing\n"
    login.tool("c1", "Bash", {"command": "npm test -- --grep login", "timeout": 120}, failing, "failed")
    login.tool("c2", "Edit", {"file_path": "src/auth/session.ts", "old_string": "rotate"}, "1 line changed\n")
    login.message("The refresh token was rotated before it was stored: a crash in between logged everybody out.")
    login.use(input=24_100, output=1_830, cost=142_300, cache_read=18_000)
    push = {"command": "git push origin main", "description": "Push the fix"}
    login.ask("6pwn4c2r", "git push origin main", input=push)
    review = Spoken(swarm.home, "p8x2m4ka", kind="codex", name="review-830", command=["codex", "Review 830"])
    review.open(kind="codex", model="a-model")
    review.take("Review 830")
    review.ask("9kd2m4xa", "make integration", tool="shell")


def take(person: Person, name: str) -> None:
    """A picture of what is seen now."""
    person.page.wait_for_timeout(1500)  # the last lines come once a second
    person.page.screenshot(path=PLACE / f"{name}.png")
    print(PLACE / f"{name}.png", (PLACE / f"{name}.png").stat().st_size >> 10, "kB")


def take_all(server: Server, agents: dict[str, str]) -> None:
    size = {"viewport": {"width": 1360, "height": 760}}
    with chromium() as browser:
        with Person(browser, color_scheme="dark", **size) as one:
            take(one.open(server), "agents-dark")
            one.page.evaluate(f"location.hash = '#/agents/{agents['e2e']}'")
            one.sees("95 total")
            take(one, "output-dark")
        with Person(browser, color_scheme="light", **size) as one:
            one.agent(server, agents["fix-auth"]).sees("Running the tests again")
            take(one, "output-light")
            one.press("2")
            take(one, "events-light")
            one.press("n")
            one.page.keyboard.type("claude -p 'find out why the nightly build is slow'")
            one.page.get_by_label("Name").fill("nightly")
            take(one, "spawn-light")
        with Person(browser, color_scheme="dark", **size) as one:
            one.open(server, "#/agents/k3m7q2xa").page.locator(".asked").wait_for()
            take(one, "conversation-dark")
        with Person(browser, color_scheme="light", **size) as one:
            one.open(server, "#/approvals").page.locator(".asked").first.wait_for()
            take(one, "approvals-light")
        with Person(browser, color_scheme="dark", viewport={"width": 390, "height": 760}) as one:
            one.agent(server, agents["fix-auth"]).sees("Running the tests again")
            take(one, "phone-dark")


def main() -> int:
    """Take them all."""
    if CHROMIUM is None:
        print("no chromium here: sudo make browser installs Debian's", file=sys.stderr)
        return 1
    PLACE.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="swarmctl-"))
    try:
        with swarm_in(place, None) as swarm:
            agents = spawn_all(swarm)
            converse(swarm)
            with serving(swarm.home) as server:
                take_all(server, agents)
            end_all(swarm.home)
    finally:
        shutil.rmtree(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
