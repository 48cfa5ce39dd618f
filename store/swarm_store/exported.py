"""The lines of an export: a record with all that the log has of it, as JSON, and back. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections import namedtuple
from typing import Any

from .clock import microseconds, rfc3339
from .errors import WrongUsage
from .events import GONE_STREAMS, OUTPUT_TYPES, REGISTRY, SUBSCRIPTIONS, TOKENS, Record

FOREVER = 1 << 62
FORMAT, VERSION = "swarmctl-log", 1
IMPORTS = "imports"  # the stream in which it is kept how far an import has come
# Whoever writes an export must not be able to open another log's server, or have it call anybody.
NOT_EXPORTED = (IMPORTS, TOKENS, SUBSCRIPTIONS)
OWN_STREAM = re.compile(r"(?:agents|inbox)/([A-Za-z0-9][A-Za-z0-9_-]{0,63})")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Whole(
    namedtuple("Whole", ("position", "stream", "offset", "time", "type", "key", "producer", "data", "payload"))
):
    """A record with all that the log has of it."""

    __slots__ = ()
    position: int
    stream: str
    offset: int
    time: int
    type: str
    key: str | None
    producer: str | None
    data: dict[str, Any]
    payload: bytes | None


def as_data(record: Whole) -> dict[str, Any]:
    """What an export says of a record."""
    return {**record_as_data(record), "producer": record.producer}


def record_as_data(record: Record | Whole) -> dict[str, Any]:
    """A record for programs; output's bytes in `base64`."""
    data = {
        "position": record.position,
        "stream": record.stream,
        "offset": record.offset,
        "time": rfc3339(record.time),
        "type": record.type,
        "agent": record.key,
        "data": record.data,
    }
    if record.payload is not None:
        data["base64"] = base64.b64encode(record.payload).decode("ascii")
    return data


def line(data: dict[str, Any]) -> str:
    """One line of an export."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False) + "\n"


class Bad(WrongUsage):
    """A line of an export is not what it should be."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"line {number}: {why}", "nothing was imported")


def read_json(number: int, raw: bytes) -> dict[str, Any]:
    """The object on a line. Raises WrongUsage."""
    try:
        data = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Bad(number, f"no JSON: {error}") from None
    if not isinstance(data, dict):
        raise Bad(number, "no JSON object")
    return data


def _no_constant(name: str) -> None:
    raise ValueError(name)


def check_header(data: dict[str, Any]) -> None:
    """Raises WrongUsage where the first line is not that of an export that we know."""
    if data.get("format") != FORMAT:
        raise Bad(1, "this is no export of swarmctl")
    if data.get("version") != VERSION:
        raise Bad(1, f"it is of version {data.get('version')}, and this swarmctl knows {VERSION}")


def parse(number: int, data: dict[str, Any]) -> Whole:
    """The record on a line. Raises WrongUsage for what the log would not have written."""
    kinds = {"position": int, "stream": str, "offset": int, "time": str, "type": str, "data": dict}
    for name, kind in kinds.items():
        if not isinstance(data.get(name), kind) or isinstance(data[name], bool):
            raise Bad(number, f"{name!r} is missing or not what it should be")
    for name in ("agent", "producer"):
        if not isinstance(data.get(name), str | None):
            raise Bad(number, f"{name!r} is no text")
    unknown = set(data) - {*kinds, "agent", "producer", "base64"}
    if unknown:
        raise Bad(number, f"{sorted(unknown)[0]!r} is not known")
    _check_names(number, data)
    record = Whole(
        data["position"],
        data["stream"],
        data["offset"],
        _moment(number, data["time"]),
        data["type"],
        data.get("agent"),
        data.get("producer"),
        data["data"],
        _payload(number, data.get("base64")),
    )
    return _check_chunk(number, record)


def _check_names(number: int, data: dict[str, Any]) -> None:
    if not 0 <= data["offset"] < FOREVER or not data["type"] or not data["stream"]:
        raise Bad(number, "an offset, a type or a stream that cannot be")
    texts = (data["stream"], data["type"], data.get("agent") or "", data.get("producer") or "")
    if not all(map(_is_text, texts)):
        raise Bad(number, "text that is none")
    owned = data["stream"].startswith(("agents/", "inbox/"))
    if (owned and not OWN_STREAM.fullmatch(data["stream"])) or _is_never(data["stream"]):
        raise Bad(number, f"{data['stream']!r} is no stream that could be imported")
    if data["stream"] == REGISTRY and data.get("agent") is not None and not _ID.fullmatch(data["agent"]):
        raise Bad(number, f"{data['agent']!r} is no agent's id")


def _is_never(stream: str) -> bool:
    return stream in NOT_EXPORTED or stream.startswith(GONE_STREAMS)


def _check_chunk(number: int, record: Whole) -> Whole:
    """A chunk of output has as many bytes as it says."""
    if record.type in OUTPUT_TYPES.values():
        said = [record.data.get(name) for name in ("run", "start", "end", "lines")]
        whole = all(isinstance(one, int) and one >= 0 for one in said) and record.payload is not None
        if not whole or len(record.payload or b"") != record.data["end"] - record.data["start"]:
            raise Bad(number, "output that is not as long as it should be")
    return record


def _moment(number: int, text: str) -> int:
    try:
        moment = microseconds(text) if _TIME.fullmatch(text) else -1
        if moment >= 0 and rfc3339(moment) == text:
            return moment
    except ValueError:
        pass
    raise Bad(number, f"not a time: {text!r}")


def _payload(number: int, text: Any) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise Bad(number, "'base64' is none") from None


def _is_text(word: str) -> bool:
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
