"""What a server keeps in memory for live readers."""

from __future__ import annotations

from support.cli import Swarm
from support.servers import serving

OUTPUT = 60_000_000  # bytes
MOST = 25_000_000  # that the server may have grown by: pages under way, and the allocator's own


def memory(pid: int) -> int:
    """Bytes that are the process's own."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss_Anon:"))


def test_catching_up_leaves_nothing(swarm: Swarm) -> None:
    """A reader that has caught up with a large output by SSE, and stays, leaves none of it in the server's memory."""
    agent = swarm.ended(f"head -c {OUTPUT} /dev/zero")
    with serving(swarm.home, "--no-token") as server, server.client() as client:
        before = memory(server.process.pid)
        where = f"/v1/stream/agents/{agent}/stdout?offset=-1&live=sse"
        taken, last = 0, b""
        with client.stream("GET", where) as response:
            for block in response.iter_raw():
                taken, last = taken + len(block), last[-100:] + block
                if b"upToDate" in last:
                    break
            assert taken > OUTPUT * 4 // 3  # in base64
            assert memory(server.process.pid) - before < MOST
