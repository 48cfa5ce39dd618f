"""The control API keeps its word: its document stays, it has every verb, and no made-up request breaks it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.apis import Api, api_in
from support.fuzz_hooks import NAMES
from swarmctl.app import VERBS

pytest.importorskip("fastapi")
SEED = "4437"
EXAMPLES = "5"  # of each operation
SECONDS = 100.0
# Which agents there are, and what can be executed, no schema says: so what is well-formed may be refused too.
NOT_CHECKED = "positive_data_acceptance"

# Verb → what does it over HTTP, or why it is for the machine itself.
ROUTES = {
    "spawn": ["spawn_agent"],
    "list": ["list_agents"],
    "ls": ["list_agents"],
    "show": ["show_agent", "show_session"],
    "usage": ["show_usage"],
    "logs": ["read_output", "read_last_output", "read_conversation"],
    "events": ["list_events"],
    "wait": ["wait_agent"],
    "cancel": ["cancel_agent"],
    "signal": ["signal_agent"],
    "restart": ["restart_agent"],
    "send": ["send_input", "send_turn"],
    "interrupt": ["interrupt_agent"],
    "approvals": ["list_approvals", "show_approval"],
    "approve": ["answer_approval"],
    "deny": ["answer_approval"],
    "rm": ["remove_agent"],
    "prune": ["prune_agents"],
    "backup": ["back_up_log"],
    "export": ["export_log"],
    "import": ["import_log"],
    "doctor": ["examine"],
    "supervisor": ["show_supervisor"],
    "token": ["create_token", "list_tokens", "revoke_token"],
}
OF_THE_MACHINE = {
    "serve": "it is the server",
    "top": "a picture of what the others tell",
    "attach": "a terminal is of its machine; turns and approvals have their routes",
    "systemd": "what a machine runs at its start is its own to say",
    "budget": "who pays says so where the log is",
    "worktree": "they are directories of its machine; agents elsewhere show theirs",
    "mcp": "an agent's own way in, beside it",
    "agents": "what is installed on a machine is its own to say",
}
BESIDE = {
    "show_budget": "what budget shows",
    "show_info": "a client asks which log it speaks with",
    "list_last_lines": "a page shows what each of many agents does",
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The OpenAPI document as a server with tokens gives it."""
    from swarmctl.server.api.part import application

    return application().openapi()


def operations(document: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Operation → its method and path."""
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_verb_has_a_route_or_a_reason(document: dict[str, Any]) -> None:
    """Each verb of the command line is there over HTTP, or is of the machine itself; and no route is without one."""
    assert VERBS.keys() == ROUTES.keys() | OF_THE_MACHINE.keys()
    assert operations(document).keys() == {one for ones in ROUTES.values() for one in ones} | BESIDE.keys()


def test_routes_stay(document: dict[str, Any]) -> None:
    """What clients have been generated from is where it was."""
    assert operations(document) == {
        "list_agents": ("GET", "/v1/agents"),
        "spawn_agent": ("POST", "/v1/agents"),
        "show_agent": ("GET", "/v1/agents/{agent}"),
        "remove_agent": ("DELETE", "/v1/agents/{agent}"),
        "wait_agent": ("GET", "/v1/agents/{agent}/wait"),
        "cancel_agent": ("POST", "/v1/agents/{agent}/cancel"),
        "signal_agent": ("POST", "/v1/agents/{agent}/signal"),
        "send_input": ("POST", "/v1/agents/{agent}/input"),
        "restart_agent": ("POST", "/v1/agents/{agent}/restart"),
        "show_session": ("GET", "/v1/agents/{agent}/session"),
        "read_conversation": ("GET", "/v1/agents/{agent}/conversation"),
        "send_turn": ("POST", "/v1/agents/{agent}/turns"),
        "interrupt_agent": ("POST", "/v1/agents/{agent}/interrupt"),
        "show_usage": ("GET", "/v1/usage"),
        "show_budget": ("GET", "/v1/agents/{agent}/budget"),
        "list_approvals": ("GET", "/v1/approvals"),
        "show_approval": ("GET", "/v1/approvals/{id}"),
        "answer_approval": ("POST", "/v1/approvals/{id}"),
        "read_output": ("GET", "/v1/agents/{agent}/output"),
        "read_last_output": ("GET", "/v1/agents/{agent}/output/last"),
        "list_last_lines": ("GET", "/v1/last"),
        "list_events": ("GET", "/v1/events"),
        "prune_agents": ("POST", "/v1/prune"),
        "export_log": ("GET", "/v1/export"),
        "import_log": ("POST", "/v1/import"),
        "back_up_log": ("GET", "/v1/backup"),
        "show_info": ("GET", "/v1/info"),
        "examine": ("GET", "/v1/doctor"),
        "show_supervisor": ("GET", "/v1/supervisor"),
        "create_token": ("POST", "/v1/tokens"),
        "list_tokens": ("GET", "/v1/tokens"),
        "revoke_token": ("DELETE", "/v1/tokens/{id}"),
    }


def test_the_document_tells_of_errors_and_tokens(document: dict[str, Any]) -> None:
    """Every operation says what it does, that it wants a token, and that its errors are problems."""
    assert document["security"] == [{"token": []}]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["description"], path
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    (media_type,) = answer["content"]
                    assert media_type == "application/problem+json", (path, status)


def test_bodies_take_nothing_unknown(document: dict[str, Any]) -> None:
    """Every body is an object that refuses members that it does not know."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for body in operation.get("requestBody", {}).get("content", {}).values():
                name = body["schema"].get("$ref", "").rpartition("/")[2]
                assert not name or document["components"]["schemas"][name]["additionalProperties"] is False, name


@pytest.mark.timeout(SECONDS + 60)
def test_no_request_breaks_it(tmp_path: Path, empty_log: Path) -> None:
    """Requests made up from the document, good and bad ones, get the answers that it tells of, and never a fault."""
    with api_in(tmp_path, empty_log, "--long-poll", "0.2") as api:
        living, ended = NAMES
        api.spawn("sleep 600", name=living)
        api.ended("echo out", name=ended)
        done = fuzz(api, tmp_path)
        assert done.returncode == 0, done.stdout
        assert api.get("/info")["epoch"] == 0 and "Traceback" not in api.server.complaints()


def fuzz(api: Api, place: Path) -> subprocess.CompletedProcess[str]:
    """Run schemathesis on a server, the same requests each time."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{api.server.url}/v1/openapi.json"]
    command += ["--phases", "examples,coverage,fuzzing", "--seed", SEED, "--max-examples", EXAMPLES, "--no-color"]
    command += ["--checks", "all", "--exclude-checks", NOT_CHECKED, "--suppress-health-check", "all"]
    command += ["--header", f"Authorization: Bearer {api.server.token}"]
    support = str(Path(__file__).parents[1])
    around = {**os.environ, "SCHEMATHESIS_HOOKS": "support.fuzz_hooks", "PYTHONPATH": support}
    return subprocess.run(command, cwd=place, env=around, capture_output=True, text=True, timeout=SECONDS, check=False)
