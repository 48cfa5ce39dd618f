"""Kinds: what a profile may say, where it is found, and what becomes of a name."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support import kinds as made
from swarm_store.errors import CannotStart, WrongUsage
from swarmctl import kinds
from swarmctl.kinds import checking, finding, profile


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's profiles are."""
    monkeypatch.setenv("SWARM_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def refused(name: str, model: str | None = None) -> str:
    """The one line of a name that cannot be resolved."""
    with pytest.raises(WrongUsage) as caught:
        kinds.resolve(name, model)
    assert "\n" not in caught.value.message and caught.value.hint
    return caught.value.message


@pytest.mark.parametrize("name", finding.builtin())
def test_what_is_built_in_is_right(config: Path, name: str) -> None:
    """Each profile of ours passes its own check, has a driver of ours, and says what it is."""
    kind = kinds.look_up(name)
    assert kind.driver in ("acp", "claude", "api") and kind.profile.description
    assert kind.sources == ["built in"]
    if kind.command:
        assert kind.profile.install and kind.profile.version and kind.profile.login.how


def test_the_four_are_there(config: Path) -> None:
    """claude has its own driver; the three others, and claude if that is wanted, are spoken to by ACP."""
    drivers = {name: kinds.resolve(name).driver for name in ("claude", "claude-acp", "codex", "opencode", "gemini")}
    assert drivers == {"claude": "claude", "claude-acp": "acp", "codex": "acp", "opencode": "acp", "gemini": "acp"}


def test_any_command_may_speak_acp(config: Path) -> None:
    """acp:COMMAND is split as a shell would."""
    kind = kinds.resolve("acp:goose 'acp server' --x", model="m")
    assert (kind.driver, kind.command, kind.model) == ("acp", ["goose", "acp server", "--x"], "m")
    assert kind.kind == "acp:goose 'acp server' --x"


@pytest.mark.parametrize("name", ["acp:", "acp: ", "acp:'", "acp:''"])
def test_acp_needs_a_command(config: Path, name: str) -> None:
    """A command that is none, or not closed, is told so."""
    assert "command" in refused(name)


def test_an_api_is_named_by_its_profile(config: Path) -> None:
    """api:NAME is the profile of a model API, with or without the prefix; it needs a model."""
    assert kinds.resolve("api:cerebras", "some-model").options["key_env"] == "CEREBRAS_API_KEY"
    assert kinds.resolve("cerebras", "some-model").model == "some-model"
    assert refused("api:cerebras") == "the kind api:cerebras names no model"
    assert refused("api:codex") == "api:codex is no model API: its driver is acp"
    assert "no such kind" in refused("api:")


@pytest.mark.parametrize("name", ["", "claud", "../claude", "a/b", "api:../x", "x\n", "\0"])
def test_an_unknown_kind_is_told_which_there_are(config: Path, name: str) -> None:
    """Whatever is no name of a profile is no kind."""
    with pytest.raises(WrongUsage) as caught:
        kinds.resolve(name)
    assert caught.value.exit_code == 2 and "no such kind of agent" in caught.value.message
    assert "claude, claude-acp, codex, opencode, gemini" in caught.value.hint


def test_a_profile_of_the_user(config: Path) -> None:
    """A file NAME.toml is a kind, with everything that it says."""
    path = made.profile(
        config,
        "mine",
        'driver = "acp"\ncommand = ["x", "acp"]\nmodel = "m"\n'
        'allow = ["Bash(git *)"]\ndeny = ["Edit"]\nenv = {A = "1"}',
    )
    kind = kinds.resolve("mine")
    assert (kind.command, kind.model, kind.env) == (["x", "acp"], "m", {"A": "1"})
    assert (kind.allow, kind.deny, kind.sources) == (["Bash(git *)"], ["Edit"], [str(path)])
    assert finding.names()[-1] == "mine"


def test_a_profile_extends_another(config: Path) -> None:
    """What it does not say the other says: tables are merged, all else is replaced."""
    made.profile(config, "mine", 'extends = "ours"\nenv = {B = "2"}\ncommand = ["y"]')
    made.profile(config, "ours", 'extends = "codex"\nenv = {A = "1", B = "1"}\noptions.meta.x = 1')
    kind = kinds.resolve("mine")
    assert (kind.command, kind.env, kind.driver) == (["y"], {"A": "1", "B": "2"}, "acp")
    assert kind.options == {"mode": "workspace-write", "meta": {"x": 1}}
    assert [Path(one).name for one in kind.sources] == ["mine.toml", "ours.toml", "built in"]


def test_a_profile_may_extend_what_it_replaces(config: Path) -> None:
    """claude.toml that extends claude changes the built-in one."""
    made.profile(config, "claude", 'extends = "claude"\nmodel = "opus"')
    kind = kinds.resolve("claude")
    assert (kind.model, kind.command, kind.driver) == ("opus", ["claude"], "claude")
    made.profile(config, "worker", 'extends = "claude"\ndescription = "works"')
    assert kinds.resolve("worker").model == "opus"


def test_extends_may_not_go_round(config: Path) -> None:
    """A circle is told with all that are in it."""
    made.profile(config, "a", 'extends = "b"')
    made.profile(config, "b", 'extends = "a"')
    assert refused("a").endswith("extends goes round in a circle: a → b → a")
    made.profile(config, "c", 'extends = "c"')
    assert "no profile is called 'c'" in refused("c")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("driver =", "not TOML: invalid value (at end of document)"),
        ("", "driver is missing"),
        ('driver = "acp"', "command is missing: the driver acp starts one"),
        ('driver = "acp"\ncommand = "x"', "command: input should be a valid list"),
        ('driver = "acp"\ncommand = []', "command: list should have at least 1 item after validation, not 0"),
        ('driver = "acp"\ncommand = ["x", 1]', "command.1: input should be a valid string"),
        ('driver = "acp"\ncommand = ["x\\u0000"]', "command.0: it cannot hold NUL"),
        ('driver = "acp"\ncomand = ["x"]', "comand: there is no such key"),
        ('driver = "acp"\ncommand = ["x"]\nlogin.fils = []', "login.fils: there is no such key"),
        ('driver = "acp"\ncommand = ["x"]\nmodel = ""', "model: string should have at least 1 character"),
        ('driver = "acp"\ncommand = ["x"]\nenv = {A = 1}', "env.A: input should be a valid string"),
        ('driver = "acp"\ncommand = ["x"]\nallow = ["Bash("]', "allow.0: not a rule: 'Bash('; write Tool or"),
        ('extends = "nobody"', "extends: no profile is called 'nobody'"),
        ("extends = 1", "extends: it is the name of a profile"),
        ('extends = "cerebras"\noptions.base_url = "x"', "options.base_url: it begins with http:// or https://"),
        ('extends = "cerebras"\noptions.base_url = "http://"', "options.base_url: it is no address of a service"),
        ('extends = "cerebras"\noptions.base_url = "http://a:secret@b:x/"', "base_url: it is no address of a service"),
        ('extends = "cerebras"\noptions.base_url = "http://a/\\r"', "options.base_url: it is no address of a service"),
        ('extends = "cerebras"\noptions.headers = {X = "é"}', "options.headers.X: a header is of printable ASCII"),
        ('extends = "cerebras"\noptions.headers = {X = "a\\r"}', "options.headers.X: a header is of printable ASCII"),
        ('extends = "cerebras"\noptions.headers = {"X Y" = "a"}', "headers.X Y.[key]: not the name of a header"),
        ('extends = "cerebras"\noptions.temprature = 1', "options.temprature: there is no such key"),
        ('extends = "cerebras"\noptions.price = {input = 1}', "options.price.output is missing"),
        ('extends = "cerebras"\noptions.tools = ["rm"]', "options.tools.0: input should be 'bash', 'read_file' or"),
        ('driver = "api"', "options.base_url is missing"),
        ('extends = "codex"\noptions.meta.when = 2026-01-01', "options.meta.when: JSON has no date"),
        ('extends = "codex"\noptions.meta = {at = [1, 07:32:00]}', "options.meta.at.1: JSON has no time"),
        ('extends = "ollama"\noptions.extra = {x = nan}', "options.extra.x: JSON has no nan"),
        ('extends = "ollama"\noptions.extra = {x = [-inf]}', "options.extra.x.0: JSON has no -inf"),
        (f"x = {'[' * 5000}{']' * 5000}", "it is nested too deep"),
        (f"x = {'[' * 150}{']' * 150}", "it is nested too deep"),
        (f"x{'.x' * 5000} = 1", "it is nested too deep"),
        (f"x = {'1' * 5000}", "not TOML: exceeds the limit"),
        ('extends = "claude"\nmodel = "a\\u0000b"', "model: it cannot hold NUL"),
        ('extends = "claude"\noptions.args = ["a\\u0000b"]', "options.args.0: it cannot hold NUL"),
        ('extends = "claude"\noptions.permission_mode = "\\u0000"', "options.permission_mode: it cannot hold NUL"),
        (
            'extends = "claude"\noptions.mcp = [{name = "x", command = "x", env = {A = "\\u0000"}}]',
            "options.mcp.0.env.A: it cannot hold NUL",
        ),
        ('extends = "ollama"\noptions.key_env = "A=B"', "options.key_env: string should match pattern"),
        ('extends = "codex"\noptions.mod = "x"', "options.mod: there is no such key"),
        ('extends = "claude"\noptions.args = "x"', "options.args: input should be a valid list"),
        ('extends = "codex"\noptions.mcp_servers = [{name = "x"}]', "options.mcp_servers.0.command is missing"),
    ],
)
def test_a_wrong_profile_is_told_where(config: Path, text: str, says: str) -> None:
    """The file, the key, and what is wrong about it, in one line."""
    path = made.profile(config, "wrong", text)
    told = refused("wrong")
    assert told.startswith(f"{path}: ") and says in told and "secret" not in told, told


def test_a_wrong_profile_harms_no_other(config: Path) -> None:
    """codex can be used whatever stands in a file beside it, which list complains of."""
    made.profile(config, "wrong", "driver")
    made.profile(config, "not a name", "")
    (config / "agents" / "directory.toml").mkdir()
    (config / "agents" / "bytes.toml").write_bytes(b"\xff")
    assert kinds.resolve("codex").driver == "acp"
    assert finding.names()[-3:] == ["bytes", "directory", "wrong"]
    made.profile(config, "deep", f"x = {'[' * 5000}{']' * 5000}")
    assert "it is nested too deep" in str(checking.look("deep").problem)
    assert "it is no UTF-8 at byte 0" in str(checking.look("bytes").problem)
    assert "cannot be read: Is a directory" in str(checking.look("directory").problem)


def test_a_package_may_bring_kinds(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point gives a profile; one that cannot be loaded says whose it is."""
    monkeypatch.syspath_prepend(made.package(tmp_path))
    kind = kinds.resolve("parrot")
    assert (kind.driver, kind.options, kind.sources) == ("parrot", {"says": "hello"}, ["package parrots"])
    assert refused("mute") == "package parrots: the kind mute cannot be loaded: RuntimeError: no parrot here"
    made.profile(config, "polly", 'extends = "parrot"\noptions.says = "polly"')
    assert kinds.resolve("polly").options == {"says": "polly"}
    kinds.require(kind)


def test_a_package_may_bring_what_no_file_can_say(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told with the package and the key, whatever it is."""
    monkeypatch.syspath_prepend(made.package(tmp_path))
    endless: dict[str, Any] = {}
    endless["options"] = endless
    for gives, says in [
        ({"driver": "parrot", "options": {"at": print}}, "options.at: JSON has no builtin_function_or_method"),
        (endless, "it is nested too deep"),
    ]:
        monkeypatch.setitem(sys.modules, "parrots", SimpleNamespace(PARROT=gives))
        assert refused("parrot") == f"package parrots: {says}"


def test_what_is_not_installed_cannot_be_started(config: Path, tmp_path: Path) -> None:
    """127 with how to install it; 126 where the file may not be executed; the PATH is the agent's own."""
    kind = kinds.resolve("gemini")
    with pytest.raises(CannotStart) as caught:
        kinds.require(kind, {"PATH": str(tmp_path)})
    assert (caught.value.exit_code, caught.value.hint) == (127, "npm install -g @google/gemini-cli")
    assert caught.value.message == "gemini is not installed: there is no gemini on the PATH"
    made.program(tmp_path, "gemini", "")
    kinds.require(kind, {"PATH": str(tmp_path)})
    with pytest.raises(CannotStart) as caught:
        kinds.require(kinds.resolve("acp:./there"), {}, str(tmp_path))
    assert (caught.value.exit_code, "there is no ./there" in caught.value.message) == (127, True)
    (tmp_path / "there").write_text("")
    with pytest.raises(CannotStart) as caught:
        kinds.require(kinds.resolve("acp:./there"), {}, str(tmp_path))
    assert caught.value.exit_code == 126


def test_a_driver_that_nobody_brings(config: Path) -> None:
    """A profile may name a driver of a package that is not here."""
    made.profile(config, "odd", 'driver = "odd"')
    with pytest.raises(CannotStart) as caught:
        kinds.require(kinds.resolve("odd"))
    assert "no driver is called 'odd'" in caught.value.message


@pytest.mark.parametrize("name", [None, ""])
def test_the_directory_of_profiles(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """$SWARM_CONFIG, else swarmctl under $XDG_CONFIG_HOME, else under ~/.config."""
    monkeypatch.setenv("SWARM_CONFIG", "/there")
    assert finding.directory() == "/there/agents"
    monkeypatch.delenv("SWARM_CONFIG")
    monkeypatch.setenv("HOME", "/home/who")
    monkeypatch.setenv("XDG_CONFIG_HOME", name or "/etc/who")
    assert finding.directory() == ("/etc/who/swarmctl/agents" if not name else "/home/who/.config/swarmctl/agents")


@pytest.mark.parametrize(
    ("under", "over", "both"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    ],
)
def test_merging(under: dict[str, Any], over: dict[str, Any], both: dict[str, Any]) -> None:
    """Tables are merged key by key; anything else is replaced, lists too."""
    assert finding.merged(under, over) == both


def test_looking_tells_who_has_signed_in(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that says so, a variable, or a file; where none is there it is unknown, and for an API no."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    for name in ("OPENAI_API_KEY", "CODEX_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    made.program(tmp_path, "codex-acp", "echo codex-acp 7.8.9")
    made.program(tmp_path, "claude", 'test "$1" = --version && echo "1.2.3 (Claude Code)"')
    looked = checking.look("codex")
    assert (looked.installed, looked.version, looked.login, looked.problem) == (True, "7.8.9", "unknown", None)
    (tmp_path / "auth.json").touch()
    assert checking.look("codex").login == "yes"
    looked = checking.look("claude")
    assert (looked.version, looked.login, looked.problem) == ("1.2.3", "no", "nobody has signed in to claude")
    assert looked.hint == "claude auth login, or set ANTHROPIC_API_KEY"
    assert (checking.look("openai").login, checking.look("openai").hint) == ("no", "set OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert checking.look("openai").login == "yes"


def test_a_complaint_is_one_line() -> None:
    """What pydantic says in several lines is told in one."""
    with pytest.raises(WrongUsage) as caught:
        profile.check({"driver": 1}, "x.toml")
    assert caught.value.message == "x.toml: driver: input should be a valid string"


def test_the_examples_of_the_docs_are_right() -> None:
    """Each profile in docs/agents.md passes the check, with all its keys."""
    text = (Path(__file__).parents[2] / "docs" / "agents.md").read_text().partition("## Profiles")[2]
    blocks = [block.replace("\n    ", "\n") for block in re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.MULTILINE)]
    found = [one for one in blocks if re.search(r"^\s*(extends|driver) = ", one)]
    assert len(found) == 3
    for block in found:
        said = profile.parse(block.strip().encode(), "docs")
        extended = finding.builtin().get(said.pop("extends", ""), {})
        profile.check(finding.merged(extended, said), "docs")
