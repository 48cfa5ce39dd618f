"""Fixtures of the tests in a browser; where there is none they are skipped, and say why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from support.browser import CHROMIUM, Person, chromium
from support.cli import Swarm
from support.homes import empty_log, swarm
from support.servers import Server, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["empty_log", "swarm"]


@pytest.fixture(scope="module")  # while Playwright runs, its thread can run no other event loop
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    pytest.importorskip("playwright", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium here: sudo make browser installs Debian's")
    with chromium() as running:
        yield running


@pytest.fixture
def server(swarm: Swarm) -> Iterator[Server]:
    """A server of the swarm's home."""
    with serving(swarm.home) as running:
        yield running


@pytest.fixture
def person(browser: Browser) -> Iterator[Callable[..., Person]]:
    """`person(**context)`: somebody at a new tab."""
    with ExitStack() as stack:
        yield lambda **context: stack.enter_context(Person(browser, **context))
