"""What is shipped: four packages and nothing beside them, and the layout that makes that so."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "swarmctl": "swarmctl",
    "swarm_supervisor": "supervisor",
    "swarm_daemon": "daemon",
    "swarm_store": "store",
}  # package → its outer folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a wheel of this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert built.returncode == 0, built.stderr
    (made,) = out.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        return set(archive.namelist())


def test_the_wheel_has_the_four_packages_alone(wheel: set[str]) -> None:
    """At the top of the wheel are the four packages and its metadata: no store, no daemon, no tests."""
    tops = {name.split("/")[0] for name in wheel}
    metadata = {top for top in tops if top.endswith((".dist-info", ".data"))}
    assert tops - metadata == set(PACKAGES)


def test_the_wheel_has_every_module(wheel: set[str]) -> None:
    """Every module of the checkout is in the wheel, and each package is marked as typed."""
    modules = {
        f"{package}/{file.relative_to(ROOT / outer / package).as_posix()}"
        for package, outer in PACKAGES.items()
        for file in (ROOT / outer / package).rglob("*.py")
    }
    assert modules <= wheel
    assert {f"{package}/py.typed" for package in PACKAGES} <= wheel


def test_the_wheel_has_the_page(wheel: set[str]) -> None:
    """Every file of the page is in the wheel, inside the server's package."""
    page = ROOT / "swarmctl" / "swarmctl" / "server" / "page"
    files = {file.name for file in page.iterdir()}
    assert {f"swarmctl/server/page/{name}" for name in files} <= wheel
    assert {"index.html", "main.js"} <= files


def test_the_wheel_has_the_units(wheel: set[str]) -> None:
    """Every file of systemd/ is in the wheel, inside the command line's package, where it is looked for."""
    units = {file.relative_to(ROOT / "systemd").as_posix() for file in (ROOT / "systemd").rglob("*") if file.is_file()}
    assert {f"swarmctl/systemd/{name}" for name in units} <= wheel
    assert {f"{kind}/swarmctl-supervisor.service" for kind in ("user", "system")} <= units


def test_the_wheel_has_no_rubbish(wheel: set[str]) -> None:
    """Nothing compiled, cached or tested is in the wheel."""
    assert not [name for name in wheel if "__pycache__" in name or name.endswith(".pyc") or "test" in name.lower()]


@pytest.mark.parametrize("outer", sorted(PACKAGES.values()))
def test_the_outer_folders_are_no_packages(outer: str) -> None:
    """There is no __init__.py in an outer folder: it would be a top-level package that shadows others' modules."""
    assert (ROOT / outer).is_dir()
    assert not (ROOT / outer / "__init__.py").exists()


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_each_package_says_what_it_is(package: str) -> None:
    """Each package begins with a docstring: the map of what is in it."""
    source = (ROOT / PACKAGES[package] / package / "__init__.py").read_text()
    assert source.startswith('"""')
