"""The event log: append-only streams in one SQLite file, and the registry folded from them.

    errors  events  lifecycle  fold    pure: what can go wrong, what can happen, who may move where
    home                               the state directory: where it is, who may use it, its paths
    lock  bells                        the write lock all writers share; wake-ups without polling
    schema  statements                 the tables (SQLAlchemy, cold) and the SQL spoken on them (hot)
    retention                          which ended agents a policy forgets
    backup  transfer  exported  aside  the log copied, written out as lines, and taken in (cold)
    recovery  salvage  refill          a damaged or deleted log brought back, as far as can be (cold)
    log  opening  trouble              append, read, cursors; how it is opened; SQLite's errors in our words
    transaction                        one write transaction: lock, appends, commit, checkpoint, bells
    follow                             follow streams as they grow
    projection  registry               the `agents` rows, written with their events; queries on them
    output                             from chunks of bytes to lines

Hot modules import neither SQLAlchemy nor pydantic, typing nor dataclasses: a daemon holds all of them in memory.
"""
