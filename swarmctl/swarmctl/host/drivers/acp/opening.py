"""A session is opened: initialize, then a new one or one that is loaded or resumed, then its mode and model."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, NamedTuple

from acp import schema
from acp.exceptions import RequestError
from acp.meta import PROTOCOL_VERSION
from pydantic import BaseModel

from ...driver import DriverError, SessionSpec
from . import failing
from .peer import OPEN_SECONDS, Peer, table


class Agent(NamedTuple):
    """What an agent says of itself. loads: it can tell a session's history; resumes: it can go on without that."""

    name: str | None
    version: str | None
    loads: bool
    resumes: bool


async def initialize(peer: Peer) -> Agent:
    """Agree on the protocol. Nothing is offered to the agent: files and terminals are its own."""
    ours = schema.Implementation(name="swarmctl", version=version("swarmctl"))
    request = schema.InitializeRequest(
        protocol_version=PROTOCOL_VERSION, client_capabilities=schema.ClientCapabilities(), client_info=ours
    )
    try:
        said = await peer.ask("initialize", request)
    except RequestError as error:
        raise DriverError(f"{peer.name} does not speak ACP: {failing.reason(error)}") from error
    spoken = said.get("protocolVersion")
    if spoken != PROTOCOL_VERSION:
        raise DriverError(f"{peer.name} speaks version {spoken!r} of ACP, and swarmctl version {PROTOCOL_VERSION}")
    info, can = table(said.get("agentInfo")), table(said.get("agentCapabilities"))
    is_resumed = "resume" in table(can.get("sessionCapabilities"))
    return Agent(_text(info.get("name")), _text(info.get("version")), bool(can.get("loadSession")), is_resumed)


async def new(peer: Peer, config: SessionSpec) -> dict[str, Any]:
    """A new session. Raises NotLoggedIn, DriverError."""
    request = schema.NewSessionRequest(cwd=config.cwd, mcp_servers=_mcp_servers(config), field_meta=_meta(config))
    return await _open(peer, config, "session_new", request, None)


async def load(peer: Peer, config: SessionSpec, session: str) -> dict[str, Any]:
    """A session as it is known, with its history. Raises SessionGone, NotLoggedIn, DriverError."""
    request = schema.LoadSessionRequest(
        session_id=session, cwd=config.cwd, mcp_servers=_mcp_servers(config), field_meta=_meta(config)
    )
    return await _open(peer, config, "session_load", request, session)


async def resume(peer: Peer, config: SessionSpec, session: str) -> dict[str, Any]:
    """As `load`, without the history."""
    request = schema.ResumeSessionRequest(
        session_id=session, cwd=config.cwd, mcp_servers=_mcp_servers(config), field_meta=_meta(config)
    )
    return await _open(peer, config, "session_resume", request, session)


async def _open(
    peer: Peer, config: SessionSpec, method: str, request: BaseModel, session: str | None
) -> dict[str, Any]:
    auth = config.options.get("auth")
    try:
        return await peer.ask(method, request)
    except RequestError as error:
        if error.code != failing.AUTH_REQUIRED or not auth:
            raise failing.opening(error, peer.name, session) from error
    try:
        await peer.ask("authenticate", schema.AuthenticateRequest(method_id=auth))
        return await peer.ask(method, request)
    except RequestError as error:
        raise failing.opening(error, peer.name, session) from error


async def set_up(peer: Peer, config: SessionSpec, session: str, opened: dict[str, Any]) -> str | None:
    """Take the mode and the model that are wanted; the model that is used then. Raises DriverError."""
    settings = {one.get("id"): one for one in opened.get("configOptions") or [] if isinstance(one, dict)}
    mode, model = config.options.get("mode"), config.model
    current = table(settings.get("model")).get("currentValue") or table(opened.get("models")).get("currentModelId")
    if mode is not None:
        await _set_mode(peer, session, str(mode), is_setting="mode" in settings and not opened.get("modes"))
    if model is not None and model != current:
        await _set_model(peer, session, model, is_setting="model" in settings)
    return model or _text(current)


async def _set_mode(peer: Peer, session: str, mode: str, *, is_setting: bool) -> None:
    try:
        if is_setting:
            await _set(peer, session, "mode", mode)
        else:
            await peer.ask("session_set_mode", schema.SetSessionModeRequest(session_id=session, mode_id=mode))
    except RequestError as error:
        raise DriverError(f"{peer.name} has no mode {mode!r}: {failing.reason(error)}") from error


async def _set_model(peer: Peer, session: str, model: str, *, is_setting: bool) -> None:
    try:
        if is_setting:
            await _set(peer, session, "model", model)
        else:  # before it became a setting like others
            await peer.request("session/set_model", {"sessionId": session, "modelId": model}, OPEN_SECONDS)
    except RequestError as error:
        raise DriverError(f"{peer.name} has no model {model!r}: {failing.reason(error)}") from error


async def _set(peer: Peer, session: str, name: str, value: str) -> None:
    request = schema.SetSessionConfigOptionSelectRequest(session_id=session, config_id=name, value=value)
    await peer.ask("session_set_config_option", request)


def _meta(config: SessionSpec) -> dict[str, Any] | None:
    meta: dict[str, Any] | None = config.options.get("meta")
    return meta


def _mcp_servers(config: SessionSpec) -> list[Any]:
    return [
        schema.McpServerStdio(
            name=one["name"],
            command=one["command"],
            args=list(one.get("args") or []),
            env=[schema.EnvVariable(name=name, value=value) for name, value in (one.get("env") or {}).items()],
        )
        for one in config.options.get("mcp_servers") or []
    ]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
