"""What is written on a command line or in a job file: durations, times, labels, names, environment."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from swarm_daemon.signals import number_of
from swarm_store.clock import SECOND, now
from swarm_store.errors import WrongUsage

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
# Compiled when they are first asked for: most commands ask for none.
_DURATION = r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_LABEL = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}"
_SIZE = r"(\d+(?:\.\d+)?)([KMGT]?)(?:I?B)?"
_DOLLARS = r"\$?(\d{1,9})(?:\.(\d{1,6}))?"
_TOKENS = r"(\d{1,15}(?:\.\d{1,6})?)([kKMG]?)"
MICRO = 1_000_000
MOST_DOLLARS = 1e9
MOST_TOKENS = 1 << 53  # as far as JSON's readers count
LIMITS = ("memory", "cpu", "tasks")
LEAST_MEMORY, MOST_MEMORY = 16 << 20, 1 << 50
LEAST_CPU, MOST_CPU = 0.01, 10_000.0
MOST_TASKS = 4_194_304  # as many as the kernel has PIDs
LONGEST_EDGE = 10_000  # rows or columns of a terminal
LONGEST = 100 * 365 * 86400.0  # seconds; what is longer is a mistake


def duration(text: str) -> float:
    """Seconds: `90`, `90s`, `5m`, `1h30m`, `2d`, `0.5`. Raises WrongUsage."""
    try:
        seconds = float(text) if text[:1].isdigit() and "e" not in text.lower() else -1.0
    except ValueError:
        seconds = -1.0
    match = re.fullmatch(_DURATION, text)
    if match and any(match.groups()):
        seconds = sum(float(value) * unit for value, unit in zip(match.groups(), _UNITS.values(), strict=True) if value)
    if not 0 <= seconds <= LONGEST:
        raise WrongUsage(f"not a duration: {text!r}", "write 90, 90s, 5m, 1h30m or 2d")
    return seconds


def size(text: str) -> int:
    """Bytes: `512M`, `2G`, `1.5G`, `1048576`; K, M, G and T are powers of 1024. Raises WrongUsage."""
    match = re.fullmatch(_SIZE, text.upper())
    if not match:
        raise WrongUsage(f"not a size: {text!r}", "write 500K, 20M or 2G")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2] or " "))


def memory(text: str) -> int:
    """Bytes of memory that an agent may take. Raises WrongUsage."""
    amount = size(text)
    if not LEAST_MEMORY <= amount <= MOST_MEMORY:
        raise WrongUsage(f"not a size of memory: {text!r}", "write 512M or 2G, at least 16M: its daemon takes 5M of it")
    return amount


def share(text: str) -> float:
    """CPUs: `50%`, `150%`, `1.5`. Raises WrongUsage."""
    try:
        amount = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        amount = 0.0
    if not LEAST_CPU <= amount <= MOST_CPU:
        raise WrongUsage(f"not a share of CPUs: {text!r}", "write 50%, 150% or 1.5; 1% is the least")
    return amount


def dollars(text: str) -> int:
    """Millionths of a dollar, so that they add up: of `5`, `0.25` or `$5`. Raises WrongUsage."""
    found = re.fullmatch(_DOLLARS, text.strip())
    if not found:
        raise WrongUsage(f"not an amount of dollars: {text!r}", "write 5, 0.25 or $5")
    return int(found[1]) * MICRO + int((found[2] or "").ljust(6, "0"))


def tokens(text: str) -> int:
    """A number of tokens, of `200000`, `200k` or `1.5M`. Raises WrongUsage."""
    found = re.fullmatch(_TOKENS, text.strip())
    amount = round(float(found[1]) * 1000 ** " KMG".index(found[2].upper() or " ")) if found else MOST_TOKENS + 1
    if amount > MOST_TOKENS:
        raise WrongUsage(f"not a number of tokens: {text!r}", "write 200000, 200k or 1.5M")
    return amount


def limits(**given: float | None) -> dict[str, float]:
    """Those of `memory`, `cpu` and `tasks` that are given."""
    return {name: amount for name in LIMITS if (amount := given.get(name)) is not None}


def tree(*, usd: int | None, tokens: int | None, depth: int | None, children: int | None) -> dict[str, Any]:
    """The `budget` (millionths of a dollar, tokens) and the `caps` of a tree, each None where nothing is said of it."""
    budget, caps = {"usd": usd, "tokens": tokens}, {"depth": depth, "children": children}
    return {
        "budget": budget if any(limit is not None for limit in budget.values()) else None,
        "caps": caps if any(cap is not None for cap in caps.values()) else None,
    }


def moment(text: str) -> int:
    """Microseconds since the epoch, of an RFC 3339 time or a duration ago. Raises WrongUsage."""
    try:
        return now() - int(duration(text) * SECOND)
    except WrongUsage:
        pass
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            time = time.astimezone()  # as the user's clock shows it
    except (ValueError, OverflowError):
        raise WrongUsage(f"not a time: {text!r}", "write 2026-01-31T12:00:00Z, or a duration ago such as 10m") from None
    return int((time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * SECOND)


def pair(text: str, what: str) -> tuple[str, str]:
    """`K=V`. Raises WrongUsage, naming `what` it was for."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise WrongUsage(f"--{what} {text!r} has no value or no key", f"write --{what} KEY=VALUE")
    return key, value


def labels(texts: list[str]) -> dict[str, str]:
    """Labels of `--label K=V`. Raises WrongUsage."""
    return check_labels(dict(pair(text, "label") for text in texts))


def check_labels(given: dict[str, str]) -> dict[str, str]:
    """The same labels. Raises WrongUsage for a key that is no word, or a value that is longer than a line."""
    for key, value in given.items():
        if not re.fullmatch(_LABEL, key):
            raise WrongUsage(f"bad label {key!r}", "a key has letters, digits and . _ / -, at most 63")
        if len(value) > 255 or not value.isprintable():
            raise WrongUsage(f"bad value for label {key!r}", "a value is one line of at most 255 characters")
    return given


def environment(texts: list[str]) -> dict[str, str]:
    """Variables of `--env K=V`. Raises WrongUsage."""
    return check_environment(dict(pair(text, "env") for text in texts))


def check_environment(given: dict[str, str]) -> dict[str, str]:
    """The same variables. Raises WrongUsage for what the kernel cannot pass on."""
    for key, value in given.items():
        if not key or "=" in key or "\0" in key + value:
            raise WrongUsage(f"bad variable {key!r}", "write --env KEY=VALUE, without NUL")
    return given


def name(text: str | None) -> str | None:
    """The same name. Raises WrongUsage."""
    if text is not None and not re.fullmatch(_NAME, text):
        raise WrongUsage(f"bad name {text!r}", "a name has letters, digits and . _ -, at most 63")
    return text


def check_signal(text: str) -> str:
    """The same name of a signal. Raises WrongUsage where there is none of that name."""
    try:
        number_of(text)
    except ValueError:
        raise WrongUsage(f"no such signal: {text!r}", "write TERM, SIGTERM or 15") from None
    return text


def check_silence(silence: object, on_silence: str, restart: str) -> None:
    """Raises WrongUsage where what is to be done on silence cannot be."""
    if on_silence not in ("mark", "restart"):
        raise WrongUsage(f"no such answer to silence: {on_silence!r}", "it is mark or restart")
    if on_silence == "restart" and (silence is None or restart == "no"):
        raise WrongUsage("--on-silence restart needs --silence and a policy", "add --silence 10m --restart on-failure")


def has_labels(agent_labels: dict[str, str], wanted: list[str]) -> bool:
    """Whether an agent has every label of `wanted`, each `K` or `K=V`."""
    for text in wanted:
        key, equals, value = text.partition("=")
        if key not in agent_labels or (equals and agent_labels[key] != value):
            return False
    return True
