"""Sessions over HTTP: what agents ask to be allowed and who answers it, what was said, further turns."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.apis import Api, api_in
from support.looking import until
from support.spoken import Spoken, end_all


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, empty_log: Path) -> Iterator[Api]:
    """One server for the tests of this file, each of which has agents of its own."""
    with api_in(tmp_path_factory.mktemp("sessions"), empty_log, "--long-poll", "10") as made:
        yield made
        end_all(made.swarm.home)


def agent(api: Api, agent_id: str, **spec: Any) -> Spoken:
    spoken = Spoken(api.swarm.home, agent_id, **spec)
    spoken.open()
    return spoken


def limited(api: Api, *options: str) -> httpx.Client:
    """A client with a token that may what `options` say."""
    token = api.swarm.ok("token", "create", *options).strip()
    return httpx.Client(base_url=api.server.url, headers={"authorization": f"Bearer {token}"}, timeout=30)


def test_an_approval_is_listed_and_answered(api: Api) -> None:
    """What an agent asks for is listed with its name until it is answered; the answer keeps who gave it, and how."""
    agent(api, "asks", name="asker").ask("aaaapprv", "git push")
    (pending,) = api.get("/approvals", params={"agent": "asker"})["approvals"]
    assert (pending["id"], pending["name"], pending["tool"], pending["state"]) == (
        *("aaaapprv", "asker", "Bash"),
        "pending",
    )
    answer = {"granted": True, "always": True, "input": {"command": "git push --dry-run"}, "by": "ann"}
    answered = api.ask("POST", "/approvals/aaaa", answer).json()
    assert (answered["state"], answered["by"], answered["always"]) == ("granted", "ann (token admin)", True)
    assert answered["answer_input"] == {"command": "git push --dry-run"}
    assert api.get("/approvals", params={"agent": "asks"}) == {"approvals": [], "next": None}
    assert api.get("/approvals", params={"agent": "asks", "all": "true"})["approvals"] == [answered]
    assert api.get("/approvals/aaaapprv") == answered


def test_a_second_answer_is_told_of_the_first(api: Api) -> None:
    """Of many who answer at once one is heard; the others get 409, with who answered and when."""
    agent(api, "many").ask("bbbbbbbb")
    path = f"{api.server.url}/v1/approvals/bbbbbbbb"
    head = {"authorization": f"Bearer {api.server.token}"}

    def answer(n: int) -> httpx.Response:
        return httpx.post(path, json={"granted": n % 2 == 0, "by": f"n{n}"}, headers=head, timeout=30)

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(answer, range(16)))
    (first,) = (one.json() for one in got if one.status_code == 200)
    for refused in (one for one in got if one.status_code != 200):
        problem = refused.json()
        assert (refused.status_code, problem["type"]) == (409, "urn:swarmctl:already-answered")
        assert problem["detail"] == (
            f"approval bbbbbbbb was {first['state']} by {first['by']} at {first['answered_at']}"
        )
        assert problem["exit_code"] == 4
    inbox = [
        one for one in api.get("/events", params={"agent": "many"})["events"] if one["type"] == "approval:answered"
    ]
    assert len(got) == 16 and len(inbox) == 1


def test_answers_that_make_no_sense(api: Api) -> None:
    """Unknown and ambiguous approvals, an input for who can take none, and halves of answers are refused, each so."""
    asking = agent(api, "odd")
    asking.ask("cccccccc", editable=False)
    asking.ask("ccdddddd")
    assert api.ask("POST", "/approvals/zzz", {"granted": True}, status=404).json()["exit_code"] == 3
    api.ask("GET", "/approvals/zzz", status=404)
    assert "several approvals" in api.ask("POST", "/approvals/cc", {"granted": True}, status=400).json()["detail"]
    refused = api.ask("POST", "/approvals/cccccccc", {"granted": True, "input": {}}, status=409)
    assert "cannot be given another input" in refused.json()["detail"]
    for body in (
        {},
        {"granted": "yes"},
        {"granted": False, "input": {}},
        {"granted": True, "message": "x"},
        {"granted": True, "by": "a\nb"},
        {"granted": True, "input": []},
    ):
        api.ask("POST", "/approvals/ccdddddd", body, status=422)
    head = {"content-type": "application/json"}
    for raw in (
        '{"granted": true, "input": {"a": NaN}}',
        '{"granted": true, "input": ' + '{"a":' * 5000 + "1" + "}" * 5001,
    ):
        got = api.client.post("/v1/approvals/ccdddddd", content=raw, headers=head)
        assert got.status_code in (400, 422), got.text
    assert len(api.get("/approvals", params={"agent": "odd"})["approvals"]) == 2
    api.ask("POST", "/approvals/ccdddddd", {"granted": False, "message": "No\0 <b>"})
    assert api.get("/approvals/ccdddddd")["message"] == "No\0 <b>"


def test_who_may_answer(api: Api) -> None:
    """A token of an agent reads that agent's session, and answers nothing, not even for it; --read only looks."""
    spoken = agent(api, "own")
    spoken.ask("eeeeeeee")
    with limited(api, "--control", "--agent", "own") as own, limited(api, "--read") as reader:
        for path in ("session", "conversation"):
            assert own.get(f"/v1/agents/own/{path}").status_code == 200
        for client in (own, reader):
            got = client.post("/v1/approvals/eeeeeeee", json={"granted": True})
            assert (got.status_code, got.headers["content-type"]) == (403, "application/problem+json")
        assert own.get("/v1/approvals").status_code == own.get("/v1/approvals/eeeeeeee").status_code == 403
        assert own.get("/v1/usage").status_code == 403
        assert reader.get("/v1/approvals").status_code == 200
        assert reader.post("/v1/agents/own/turns", json={"text": "x"}).status_code == 403
        assert reader.post("/v1/agents/own/interrupt").status_code == 403
    assert api.get("/approvals/eeeeeeee")["state"] == "pending"
    with limited(api, "--control") as other:
        answered = other.post("/v1/approvals/eeeeeeee", json={"granted": False, "message": "no"}).json()
    assert answered["by"].startswith("token ") and answered["state"] == "denied"


def test_approvals_come_in_pages(api: Api) -> None:
    """Approvals are listed in pages, in the order asked, each once."""
    spoken = agent(api, "pages")
    ids = [f"page{n:04}" for n in range(7)]
    for one in ids:
        spoken.ask(one)
    got: list[str] = []
    after = None
    while True:
        page = api.get("/approvals", params={"agent": "pages", "limit": 3, **({"after": after} if after else {})})
        got += [one["id"] for one in page["approvals"]]
        after = page["next"]
        if after is None:
            break
    assert got == ids


def test_a_session_is_told(api: Api) -> None:
    """The session has its turns, its usage and what it waits for; a command has none, and is told so."""
    spoken = agent(api, "tells")
    turn = spoken.take("Do it")
    spoken.use(input=10, output=5, cost=70)
    spoken.ask("ffffffff")
    session = api.get("/agents/tells/session")
    assert (session["kind"], session["model"], session["current"]["turn"]) == ("claude", "a-model", turn)
    assert session["pending"] == ["ffffffff"] and session["usage"]["a-model"]["cost"] == 70
    Spoken(api.swarm.home, "silent")
    assert api.get("/agents/silent/session")["sent"] == 0
    command = api.spawn("sleep 60")
    assert "is a command" in api.ask("GET", f"/agents/{command['id']}/session", status=409).json()["detail"]


def test_a_conversation_is_read_both_ways(api: Api) -> None:
    """What was said comes from its end backwards, and from a position on, each event once, without raw output."""
    spoken = agent(api, "talks")
    spoken.take("Count")
    for n in range(50):
        spoken.message(f"n{n}")
    spoken.complete()
    forwards, after = [], 0
    while page := api.get("/agents/talks/conversation", params={"after": after, "limit": 9})["events"]:
        forwards += page
        after = page[-1]["position"]
    backwards: list[Any] = []
    page = api.get("/agents/talks/conversation", params={"limit": 9})
    newest = page["next"]
    while True:
        backwards = page["events"] + backwards
        if page["before"] is None:
            break
        page = api.get("/agents/talks/conversation", params={"limit": 9, "before": page["before"]})
    assert forwards == backwards and newest >= forwards[-1]["position"]
    kinds = [one["type"] for one in forwards]
    assert kinds[:3] == ["session:started", "turn:sent", "turn:started"] and len(kinds) == 55
    assert forwards[1]["text"] == "Count"
    assert api.get("/agents/talks/conversation", params={"after": newest}) == {
        "events": [],
        "next": newest,
        "before": None,
    }
    api.ask("GET", "/agents/talks/conversation", params={"after": 1, "before": 2}, status=422)


def test_a_conversation_is_waited_for(api: Api) -> None:
    """Whoever waits for what comes next has it as soon as it is said."""
    spoken = agent(api, "later")
    after = api.get("/agents/later/conversation")["next"]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(api.get, "/agents/later/conversation", params={"after": after, "wait": 10})
        spoken.message("now")
        got = asked.result()
    assert [one["data"]["text"] for one in got["events"]] == ["now"]
    assert got["next"] >= got["events"][-1]["position"]


def test_a_page_is_bounded_by_what_was_said(api: Api) -> None:
    """Pages of streams, events and conversations have a few megabytes, however much was said at once."""
    spoken = agent(api, "loud")
    for _ in range(12):
        spoken.message("x" * 1_000_000)
    page = api.ask("GET", "/agents/loud/conversation")
    assert len(page.content) < 6_000_000 and page.json()["before"] is not None
    assert len(api.ask("GET", "/events", params={"agent": "loud"}).content) < 6_000_000
    assert len(api.ask("GET", "/stream/agents/loud", params={"offset": "-1"}).content) < 3_000_000


def test_the_last_line_is_what_was_said(api: Api) -> None:
    """A list of agents has of one of a kind what it has said last, not the last line of its protocol."""
    spoken = agent(api, "lists")
    spoken.message("First.\nMore of it.")
    spoken.message("Hm.", role="thought")
    line = api.get("/last", params={"agent": "lists"})["last"]["lists"]
    assert line["text"] == "First."
    assert api.get("/last", params={"agent": "lists", "after": line["position"]})["last"] == {}


def test_typed_events_are_valid_json(api: Api) -> None:
    """Whatever was said is read from the agent's stream as JSON; the inbox is no stream of anybody."""
    spoken = agent(api, "json")
    nasty = 'quote " back \\ nul \0 lone \ud800 sep \u2028 <script>'
    spoken.message(nasty)
    spoken.tool("c1", "Write", {"a": [1, None, {"b": nasty}]}, nasty)
    messages = json.loads(api.ask("GET", "/stream/agents/json", params={"offset": "-1"}).content)
    assert [one["type"] for one in messages] == ["session:started", "message", "tool:called", "tool:finished"]
    assert messages[1]["data"]["text"] == nasty and messages[2]["data"]["input"]["a"][2] == {"b": nasty}
    api.ask("GET", "/stream/inbox/json", status=404)


def test_a_turn_is_sent(api: Api) -> None:
    """A turn is in the log when it is answered, whole and with who sent it; with a key once; a command takes none."""
    agent(api, "turns")
    text = "é\n" * 1_000_000
    head = {"idempotency-key": "one"}
    sent = [api.ask("POST", "/agents/turns/turns", {"text": text}, status=202, headers=head).json() for _ in "123"]
    assert sent == [{"agent": "turns", "turn": sent[0]["turn"]}] * 3
    session = api.get("/agents/turns/session")
    assert (session["sent"], session["waiting"]) == (1, [sent[0]["turn"]])
    events = api.get("/events", params={"agent": "turns", "type": "turn:sent"})["events"]
    assert [base64.b64decode(one["base64"]).decode() for one in events] == [text]
    assert events[0]["data"]["by"] == "token admin"
    command = api.spawn("sleep 60")
    assert (
        "has no turns" in api.ask("POST", f"/agents/{command['id']}/turns", {"text": "x"}, status=409).json()["detail"]
    )
    for body in ({"text": ""}, {}, {"text": "x", "more": 1}):
        api.ask("POST", "/agents/turns/turns", body, status=422)


def test_a_turn_is_interrupted(api: Api) -> None:
    """The turn that is under way is asked to end, by whom is kept; where none is that is 409; a command gets SIGINT."""
    spoken = agent(api, "stops")
    assert "no turn under way" in api.ask("POST", "/agents/stops/interrupt", status=409).json()["detail"]
    turn = spoken.take("Go")
    api.ask("POST", "/agents/stops/interrupt", {"by": "ann"}, status=202)
    assert api.get("/agents/stops/session")["interrupt"] == turn
    command = api.spawn("trap 'exit 7' INT; echo up; while :; do sleep 0.05; done")
    until(lambda: api.ask("GET", f"/agents/{command['id']}/output").content, "it has a trap")
    api.ask("POST", f"/agents/{command['id']}/interrupt", status=202)
    assert api.get(f"/agents/{command['id']}/wait")["exit_code"] == 7


def test_usage_is_summed(api: Api) -> None:
    """What was used is told by agent with its tree, or by label, of all or of some; a cost that is unknown is null."""
    above = agent(api, "above", labels={"team": "web"})
    below = agent(api, "below", parent="above", depth=1)
    above.use(input=10, cost=100)
    below.use(input=5, output=2, cost=50)
    below.use(input=1, cost=None)
    mine = api.get("/usage", params={"agent": "above"})
    own, tree = mine["usage"][0]["own"], mine["usage"][0]["tree"]
    assert (own["input"], tree["input"], tree["cost"], tree["unpriced"]) == (10, 16, 150, 1)
    assert mine["total"] == tree and [one["id"] for one in mine["usage"]] == ["above", "below"]
    by_team = api.get("/usage", params={"agent": "above", "by": "label", "label": "team"})["usage"]
    assert [(one["label"], one["cost"]) for one in by_team] == [("web", 100), (None, 50)]
    api.ask("GET", "/usage", params={"by": "label"}, status=422)
    api.ask("GET", "/usage", params={"agent": "nonesuch"}, status=404)
    assert api.get("/agents/above/budget")["spent"] == {"usd": 150, "tokens": 18, "unpriced": 1}


def test_an_agent_of_a_kind_is_spawned(api: Api) -> None:
    """A kind and a prompt in place of a command spawn a session, whose first turn is kept with who sent it, once."""
    body = {"agent": "acp:cat", "prompt": "Fix it.\nAll of it.", "approve": "never", "name": "fixer", "by": "ann"}
    head = {"idempotency-key": "fix"}
    made = api.ask("POST", "/agents", body, status=201, headers=head).json()
    assert (made["kind"], made["command"], made["approve"]) == ("acp:cat", ["acp:cat", "Fix it."], "never")
    assert api.ask("POST", "/agents", body, headers=head).json()["id"] == made["id"]
    (sent,) = api.get("/events", params={"agent": made["id"], "type": "turn:sent"})["events"]
    assert base64.b64decode(sent["base64"]) == b"Fix it.\nAll of it." and sent["data"]["by"] == "ann (token admin)"
    api.ask("POST", f"/agents/{made['id']}/cancel", {"grace": 0, "wait": True})


def test_agents_of_kinds_that_cannot_be(api: Api) -> None:
    """Unknown kinds, those that are not installed, bad rules and half a wish are refused, and nothing is spawned."""
    before = api.get("/agents", params={"all": "true", "limit": 1000})["agents"]
    cat = {"agent": "acp:cat", "prompt": "x"}
    for body, status in (
        ({"agent": "no-such", "prompt": "x"}, 400),
        ({"agent": "acp:no-such-program", "prompt": "x"}, 422),
        ({**cat, "allow": ["Bash("]}, 400),
        ({**cat, "command": ["true"]}, 422),
        ({**cat, "approve": "maybe"}, 422),
        ({**cat, "approval_timeout": 0}, 400),
        ({**cat, "input": True}, 400),
        ({"agent": "acp:cat"}, 400),
        ({"command": ["true"], "prompt": "x"}, 400),
        ({}, 422),
    ):
        api.ask("POST", "/agents", body, status=status)
    assert api.get("/agents", params={"all": "true", "limit": 1000})["agents"] == before


def test_metrics_tell_of_approvals_and_cost(tmp_path: Path, empty_log: Path) -> None:
    """/metrics has how many approvals wait, and the tokens and the cost of all agents."""
    with api_in(tmp_path, empty_log) as api:
        spoken = agent(api, "meters")
        spoken.use(input=10, output=5, cost=2_500_000, cache_read=3)
        spoken.use(input=1, cost=None)
        spoken.ask("aaaaaaaa")
        lines = set(api.client.get("/metrics").text.splitlines())
        end_all(api.swarm.home)
    wanted = {
        *("swarmctl_approvals_pending 1.0", "swarmctl_cost_dollars 2.5", "swarmctl_unpriced_reports 1.0"),
        *('swarmctl_tokens{kind="input"} 11.0', 'swarmctl_tokens{kind="cache_read"} 3.0'),
    }
    assert wanted <= lines
