"""`python follow.py URL json|bytes long-poll|sse`: the Python client follows one stream; see follow.mjs.

Each batch is a line of JSON on stdout: what came, and the offset after it. A session that ends or breaks is begun anew
at the last offset, as the client's documentation says.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from typing import Literal, cast

import httpx
from durable_streams import HeadersLike, stream

AGAIN_SECONDS = 0.02


def main(url: str, what: str, live: Literal["long-poll", "sse"]) -> None:
    headers: HeadersLike = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    mode = cast(Literal["bytes", "json"], what)
    offset = "-1"
    while True:
        try:
            with stream(url, offset=offset, live=live, headers=headers, timeout=60) as session:
                for event in session.iter_events(mode):
                    offset = event.next_offset
                    items = event.data if what == "json" else base64.b64encode(event.data).decode()
                    print(json.dumps({"offset": offset, "items": items, "upToDate": event.up_to_date}), flush=True)
        except httpx.HTTPError as error:
            print(f"broken at {offset}: {error!r}", file=sys.stderr, flush=True)
            time.sleep(AGAIN_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], cast(Literal["long-poll", "sse"], sys.argv[3]))
