"""Which driver a name means: ours, or one that a package brings; and what is said where it is not here."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmctl.host import finding
from swarmctl.host.driver import NotInstalled
from swarmctl.host.finding import MissingExtra, find


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that brings two drivers, one of which lacks a library."""
    (tmp_path / "goose_driver.py").write_text("class GooseDriver: ...\n")
    (tmp_path / "lame_driver.py").write_text("import a_library_that_is_not_here\n")
    about = tmp_path / "goose-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: goose\nVersion: 1.0\n")
    points = "[swarmctl.drivers]\ngoose = goose_driver:GooseDriver\nlame = lame_driver:LameDriver\n"
    (about / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_packages_driver(package: Path) -> None:
    """A driver that a package names as an entry point is found."""
    assert find("goose").__name__ == "GooseDriver"


def test_a_driver_that_cannot_be_loaded(package: Path) -> None:
    """Where a package's driver lacks a library, that is named."""
    with pytest.raises(NotInstalled, match="'lame' cannot be loaded: No module named 'a_library_that_is_not_here'"):
        find("lame")


def test_a_driver_that_nobody_brings(package: Path) -> None:
    """An unknown name is refused with those that there are."""
    with pytest.raises(NotInstalled, match="no driver is called 'none'") as refused:
        find("none")
    assert "acp, claude, api, goose, lame" in refused.value.hint


def test_without_the_extra(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what our own drivers need is not installed, one line says what to install."""
    monkeypatch.setitem(finding.BUILT_IN, "acp", "lame_driver:LameDriver")
    with pytest.raises(MissingExtra, match=r"swarmctl\[agents\] is not installed") as refused:
        find("acp")
    assert refused.value.hint == "pip install 'swarmctl[agents]'" and refused.value.exit_code == 1
