"""The Durable Streams protocol, version 1.0 draft, on /v1/stream/<name>.

    part.py      a request's method and name → one of the below
    tokens of places: offsets.py (offsets), cursor.py (cursors of live responses)
    sources.py   what can be read: streams of clients, and ours: registry, agents/<id>, state/agents
    own.py       ours, as the protocol's clients see them
    reading.py   HEAD, and GET: catch-up and long-poll
    sse.py       GET with live=sse
    writing.py   PUT, POST, DELETE

Protocol: https://github.com/durable-streams/durable-streams, PROTOCOL.md.
"""
