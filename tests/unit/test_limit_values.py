"""Sizes, shares, money and tokens as they are written on a command line or in a job file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm_store.errors import WrongUsage
from swarmctl import values
from swarmctl.jobs import read_jobs


@pytest.mark.parametrize(
    ("text", "size"),
    [("512M", 512 << 20), ("2G", 2 << 30), ("2gb", 2 << 30), ("1.5GiB", 3 << 29), ("16777216", 16 << 20)],
)
def test_sizes(text: str, size: int) -> None:
    """A size is bytes, or powers of 1024 by letter."""
    assert values.memory(text) == size


@pytest.mark.parametrize("text", ["", "M", "2 G", "-2G", "15M", "1e9", "2X", "9999999T", "inf"])
def test_bad_sizes(text: str) -> None:
    """What is no size, or less than a daemon and an agent can live in, is refused."""
    with pytest.raises(WrongUsage, match="not a size"):
        values.memory(text)


@pytest.mark.parametrize(("text", "share"), [("50%", 0.5), ("150%", 1.5), ("1.5", 1.5), ("2", 2.0)])
def test_shares(text: str, share: float) -> None:
    """A share of CPUs is a percentage of one, or their number."""
    assert values.share(text) == share


@pytest.mark.parametrize(
    ("text", "micro"), [("5", 5_000_000), ("$0.25", 250_000), ("0.000001", 1), ("1.1", 1_100_000), ("0", 0)]
)
def test_dollars(text: str, micro: int) -> None:
    """Money is counted in millionths of a dollar, exactly."""
    assert values.dollars(text) == micro


@pytest.mark.parametrize(("text", "tokens"), [("200000", 200_000), ("200k", 200_000), ("1.5M", 1_500_000), ("0", 0)])
def test_tokens(text: str, tokens: int) -> None:
    """Tokens are a number, or powers of 1000 by letter."""
    assert values.tokens(text) == tokens


@pytest.mark.parametrize("text", ["", "-1", "1e3", "free", "5 $", "1.2345678", "99999999999G", "nan"])
def test_bad_budgets(text: str) -> None:
    """What is neither money nor a number of tokens is refused."""
    with pytest.raises(WrongUsage, match="not an amount of dollars"):
        values.dollars(text)
    with pytest.raises(WrongUsage, match="not a number of tokens"):
        values.tokens(text)


@pytest.mark.parametrize("text", ["", "%", "0", "-1", "nan", "inf", "half", "0.1%"])
def test_bad_shares(text: str) -> None:
    """What is no share, or next to nothing, is refused."""
    with pytest.raises(WrongUsage, match="not a share"):
        values.share(text)


def test_limits_of_a_job(tmp_path: Path) -> None:
    """A line of a job file has the limits by the names of the options, as text or as numbers."""
    given: list[dict[str, object]] = [
        {"memory": "64M", "cpu": "50%"},
        {"memory": 1 << 26, "cpu": 0.5, "tasks": 3},
        {"memory": None},
    ]
    (tmp_path / "jobs").write_text("".join(json.dumps({"command": ["true"], **one}) + "\n" for one in given))
    jobs = read_jobs(str(tmp_path / "jobs"))
    assert [job["limits"] for job in jobs] == [
        {"memory": 1 << 26, "cpu": 0.5},
        {"memory": 1 << 26, "cpu": 0.5, "tasks": 3},
        {},
    ]


@pytest.mark.parametrize("bad", ['"memory": "1M"', '"memory": true', '"cpu": "much"', '"tasks": 0'])
def test_bad_limits_of_a_job(tmp_path: Path, bad: str) -> None:
    """A limit that makes no sense is named with its line."""
    (tmp_path / "jobs").write_text('{"command": ["true"], ' + bad + "}\n")
    with pytest.raises(WrongUsage, match="jobs:1"):
        read_jobs(str(tmp_path / "jobs"))
