"""The control API on /v1/: what the command line does, for programs, with an OpenAPI document at /v1/openapi.json.

    part.py       the FastAPI application: its routers, its errors as problems, its document
    bodies.py     what is said in bodies                    queries.py   what is said in queries, paths and headers
    models.py     what is said in answers
    work.py       threads and logs for what blocks          endings.py   waiting for agents to end, without a thread
    agents.py     list, show, spawn, rm                     acts.py      cancel, signal, restart, wait
    history.py    events and output                         upkeep.py    prune, export, import, backup
    machine.py    info, doctor, supervisor                  tokens.py    create, list, revoke
    sessions.py   sessions, and what was said in them       approvals.py list, show, answer
    money.py      usage and budgets

Agents are as `swarmctl list --json` gives them, and errors as the command line has them (../problem.py).
"""
