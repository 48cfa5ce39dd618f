"""What Claude Code says of itself when it begins. Pure."""

from __future__ import annotations

from .protocol import Json


def is_logged_in(begun: Json) -> bool:
    """Whether it has credentials, as far as it says."""
    account = begun.get("account")
    if not isinstance(account, dict) or account.get("apiProvider") != "firstParty":
        return True  # another provider's credentials, or we cannot tell
    return account.get("tokenSource") not in (None, "none") or bool(account.get("apiKeySource"))


def model(begun: Json, wanted: str | None) -> str | None:
    """The model's full name."""
    models = begun.get("models")
    for one in models if isinstance(models, list) else ():
        if isinstance(one, dict) and one.get("value") == (wanted or "default"):
            return str(one.get("resolvedModel") or wanted)
    return wanted


def version(begun: Json) -> str | None:
    """Its version."""
    said = begun.get("claude_code_version")
    return said if isinstance(said, str) else None


def allow_rules(response: Json) -> list[str]:
    """What the user's own settings allow, of the answer to `list_rules`."""
    state = response.get("state")
    known = state.get("rules") if isinstance(state, dict) else None
    listed = [one for one in known if isinstance(one, dict)] if isinstance(known, list) else []
    return [str(one.get("rule")) for one in listed if one.get("behavior") == "allow" and not one.get("notInEffect")]
