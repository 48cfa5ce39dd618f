"""What a word means in an agent's tree."""

from __future__ import annotations

import pytest

from support.ended import agent
from swarm_store.errors import NoSuchAgent, WrongUsage
from swarmctl.mcp.kin import resolve, resolve_all


def test_words_mean_agents_of_the_tree() -> None:
    """An id, a name, of several the living one's, else the latest, or the start of an id that no other has."""
    agents = [
        {**agent("completed"), "id": "abcdefgh", "name": "web"},
        {**agent("running"), "id": "abcxyzgh", "name": "web"},
        {**agent("failed"), "id": "kkkkkkkk", "name": "web"},
        {**agent("failed"), "id": "mmmmmmmm", "name": "old"},
        {**agent("completed"), "id": "nnnnnnnn", "name": "old"},
    ]
    meant = {word: resolve(agents, word)["id"] for word in ("abcdefgh", "web", "old", "kk")}
    assert meant == {"abcdefgh": "abcdefgh", "web": "abcxyzgh", "old": "nnnnnnnn", "kk": "kkkkkkkk"}
    assert [one["id"] for one in resolve_all(agents, ["kk", "web", "kkkk"])] == ["kkkkkkkk", "abcxyzgh"]
    with pytest.raises(WrongUsage, match="several"):
        resolve(agents, "abc")
    for word in ("", "q", "webb"):
        with pytest.raises(NoSuchAgent, match="in your tree"):
            resolve(agents, word)
    with pytest.raises(WrongUsage):
        resolve_all(agents, [])
