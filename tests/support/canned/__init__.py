"""A model API with canned answers, on 127.0.0.1: what real agents, and the `api` driver, speak to in tests.

    script      what a prompt makes it do: pure
    dialogue    what a request asks, the same for all four APIs
    anthropic, responses, chat, gemini    the APIs' own forms: a request read, an answer written, streamed or whole
    ledger      what was served: conversations, user turns, requests, tokens
    server      HTTP, and the gates that a test opens

How to steer it stands in `script`.
"""

from support.canned.ledger import Conversation, Served, Tokens
from support.canned.server import Canned, canning

__all__ = ["Canned", "Conversation", "Served", "Tokens", "canning"]
