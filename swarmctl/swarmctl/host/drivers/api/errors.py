"""What a request that failed means for its turn, and when it may be tried again. Pure but for the clock it is given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import openai

from ...facts import Completed
from .chunks import Malformed

RESETS = ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens", "x-ratelimit-reset")
QUOTA = re.compile("rate_?limit|quota|too_many_requests", re.IGNORECASE)
STATUS = re.compile("[45][0-9][0-9]")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
SHOWN = 500  # characters of a reason


def failed(error: Exception, base_url: str, key: str | None, now: float) -> Completed:
    """How the turn ends with that error. The reason is for the log: neither the key is in it nor a password."""
    completed = _meaning(error, base_url, now)
    return completed._replace(reason=shown(_without_secrets(completed.reason or "", base_url, key)))


def _meaning(error: Exception, base_url: str, now: float) -> Completed:
    if isinstance(error, openai.APITimeoutError):
        return Completed("failed", "timeout", f"{base_url} has not answered in time")
    if isinstance(error, openai.APIStatusError):
        return _refused(error.status_code, _words(error), error.response.headers, now)
    if isinstance(error, Malformed | openai.APIResponseValidationError):
        return Completed("failed", "malformed", f"{base_url} has sent a malformed answer: {error}")
    if isinstance(error, openai.APIError) and not isinstance(error, openai.APIConnectionError):
        return _broken_off(error, now)
    cause = error.__cause__ or error
    return Completed("failed", "connection", f"cannot speak with {base_url}: {str(cause) or repr(cause)}")


def _without_secrets(text: str, base_url: str, key: str | None) -> str:
    user, at, _ = urlsplit(base_url).netloc.rpartition("@")
    text = text.replace(user + at, "") if at else text
    return text.replace(key, "***") if key else text


def _refused(status: int, said: str, headers: Mapping[str, str], now: float) -> Completed:
    if status == 429:
        return Completed("failed", "rate_limit", f"the quota is used up: {said}", retry_at(headers, now))
    if status in (401, 403):
        return Completed("failed", "authentication", f"the key is refused: {said}")
    return Completed("failed", f"http_{status}", f"status {status}: {said}")


def _broken_off(error: openai.APIError, now: float) -> Completed:
    """An error in the middle of an answer: its code, or its type, is what the status would have been."""
    words = [word for word in (error.code, error.type) if isinstance(word, str) and word]
    status = next((int(word) for word in words if STATUS.fullmatch(word)), None)
    if any(QUOTA.search(word) for word in words):
        status = 429
    if status is not None:
        return _refused(status, _words(error), {}, now)
    return Completed("failed", next(iter(words), "error"), f"the answer ended with an error: {_words(error)}")


def _words(error: openai.APIError) -> str:
    """What the provider says; its message alone where it has one."""
    body = error.body
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    said = inner.get("message") if isinstance(inner, Mapping) else inner
    return said if isinstance(said, str) else error.message


def shown(text: str) -> str:
    """In one line, not too long."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def retry_at(headers: Mapping[str, str], now: float) -> float:
    """From when on (seconds of the Unix clock) the headers of a refusal allow more; 0.0 where they do not say."""
    after = headers.get("retry-after", "").strip()
    if after:
        try:
            return now + float(after)
        except ValueError:
            pass
        try:
            return parsedate_to_datetime(after).timestamp()
        except ValueError:
            pass
    moments = [_moment(headers[name].strip(), now) for name in RESETS if name in headers]
    return max(moments, default=0.0)


def _moment(text: str, now: float) -> float:
    """Of `1m30s`, `250ms`, seconds, or a moment of the Unix clock in seconds or milliseconds; 0.0 of anything else."""
    found = _DURATION.fullmatch(text)
    if text and found:
        hours, minutes, seconds, thousandths = (float(part or 0) for part in found.groups())
        return now + hours * 3600 + minutes * 60 + seconds + thousandths / 1000
    try:
        number = float(text)
    except ValueError:
        return 0.0
    if number > 1e11:
        return number / 1000
    return number if number > 1e8 else now + number
