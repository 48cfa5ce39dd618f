"""Help, README and completion say the same as the verbs do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.cli import Swarm

README = Path(__file__).parents[2] / "README.md"
VERBS = "spawn list show logs events wait cancel signal send restart rm prune supervisor systemd doctor".split()  # noqa: SIM905


def verbs_of(swarm: Swarm) -> list[str]:
    """The verbs that `swarmctl --help` has."""
    listed = swarm.ok("--help").partition("Commands:\n")[2]
    return re.findall(r"^  ([a-z]+)", listed, re.MULTILINE)


def calls_of(swarm: Swarm) -> list[list[str]]:
    """Every way to call swarmctl: a verb alone, or with each of the verbs that are below it."""
    calls = []
    for verb in verbs_of(swarm):
        below = re.findall(r"^  ([a-z]+)", swarm.ok(verb, "--help").partition("\nCommands:\n")[2], re.MULTILINE)
        calls += [[verb], *([verb, one] for one in below)]
    return calls


def code_of(markdown: str) -> str:
    """What stands as code in Markdown: fenced, indented, or in backticks."""
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```[^\n]*\n.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    .*$", rest, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", rest)
    return "\n".join([*fenced, *indented, *spans])


def test_help_has_the_verbs(swarm: Swarm) -> None:
    """`swarmctl --help` lists at least the verbs of the contract, each with what it does."""
    assert set(VERBS) <= set(verbs_of(swarm))


def test_every_verb_has_help_with_an_example(swarm: Swarm) -> None:
    """`--help` of each verb, those below others too, and -h likewise, says what it does and has an example of it."""
    for call in calls_of(swarm):
        text = swarm.ok(*call, "--help")
        assert re.search(rf"Examples?:\n( .*\n)*? +.*swarmctl {' '.join(call)}\b", text), text
        assert swarm.ok(*call, "-h") == text


def test_every_option_says_what_it_does(swarm: Swarm) -> None:
    """No option of any verb is without its sentence."""
    for call in calls_of(swarm):
        options = swarm.ok(*call, "--help", COLUMNS="200").partition("Options:\n")[2].partition("\nCommands:\n")[0]
        for line in options.splitlines():
            assert re.fullmatch(r"  (-\w, )?--[\w-]+.*?  +\S.*", line) or line.startswith(" " * 10), f"{call}: {line}"


def test_everything_in_the_readme_exists(swarm: Swarm) -> None:
    """Each `swarmctl VERB` that the README shows as code is a verb, and each option with it is one of that verb."""
    known = {*verbs_of(swarm), "ls"}
    calls = calls_of(swarm)
    for line in code_of(README.read_text()).splitlines():
        for verb, rest in re.findall(r"\bswarmctl ([a-z]+)\b([^|;&\n]*)", line):
            assert verb in known, f"README has `swarmctl {verb}`"
            below = [call[1] for call in calls if call[0] == verb and len(call) == 2]
            words = [verb, *[word for word in rest.split()[:1] if below]]
            assert words[1:2] == [word for word in words[1:2] if word in below], f"README has `swarmctl {words}`"
            offered = swarm.ok(*words, "--help", COLUMNS="200")
            for option in re.findall(r"(?<=\s)--[a-z][a-z-]+", rest.partition(" -- ")[0]):
                assert option in offered, f"README has `swarmctl {verb} {option}`"


def complete(swarm: Swarm, line: str) -> list[str]:
    """What bash would offer at the end of a command line."""
    words = line.split(" ")
    asked = {"_SWARMCTL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return swarm.command(["swarmctl"], input=None, cwd=None, **asked).lines


def test_completion_offers_verbs(swarm: Swarm) -> None:
    """After `swarmctl` the verbs are offered, and those that begin as the word does."""
    assert set(VERBS) <= set(complete(swarm, "swarmctl "))
    assert complete(swarm, "swarmctl sp") == ["spawn"]


def test_completion_offers_options(swarm: Swarm) -> None:
    """After a verb and a dash its options are offered."""
    assert {"--all", "--state", "--label", "--json"} <= set(complete(swarm, "swarmctl list --"))


@pytest.mark.parametrize(
    "verb",
    ["show", "logs", "events", "wait", "cancel", "signal", "send", "restart", "rm", "interrupt", "approvals", "usage"],
)
def test_completion_offers_ids_and_names(swarm: Swarm, verb: str) -> None:
    """Where an agent is wanted, ids and names are offered, of the ended too."""
    agent = swarm.ended("true", "--name", "zebra")
    assert {agent, "zebra"} <= set(complete(swarm, f"swarmctl {verb} "))
    assert complete(swarm, f"swarmctl {verb} zeb") == ["zebra"]


def test_completion_never_fails(fresh: Swarm) -> None:
    """In an empty home completion offers no agent, says nothing, and makes nothing."""
    asked = {"_SWARMCTL_COMPLETE": "complete_bash", "COMP_WORDS": "swarmctl show ", "COMP_CWORD": "2"}
    got = fresh.command(["swarmctl"], input=None, cwd=None, **asked)
    assert (got.out.strip(), got.err) == (b"", b"")
    assert not fresh.home.exists()
