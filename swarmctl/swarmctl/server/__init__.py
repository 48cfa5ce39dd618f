"""`swarmctl serve`: the log over HTTP. It holds no state: stop it, kill it, run any number on one log.

    app.py        the ASGI application: the guard, then a part by path
    guard.py      who may come in: Host, Origin, token, sizes; rights.py, what a token may do; keys.py, which there are
    connection.py who comes in and does nothing: slow senders, readers that stall
    settings.py   what one server is told at its start
    problem.py    every error as problem+json
    listen.py     sockets, and uvicorn on them
    streams/      the Durable Streams protocol, on /v1/stream/
    page/         the page, plain files; pages.py serves them
    hub.py        the log's bells as wake-ups of the event loop
    writer.py     appends, many in a transaction, in a thread of their own

Only here and in commands/serve.py is uvicorn or a web framework known; it comes with the extra `swarmctl[serve]`.
"""
