"""The ASGI application: one guard before everything, then the part that a path belongs to."""

from __future__ import annotations

from swarm_store.errors import SwarmError

from . import wire
from .api.part import Api
from .guard import Guard
from .metrics import Observed
from .pages import Page
from .settings import Settings
from .streams.desk import Desk
from .streams.part import Streams
from .subscriptions.part import Subscriptions
from .wire import App, Receive, Scope, Send


class Server:
    """The parts of one server, by the start of their paths; what is longer comes first."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.guard = Guard(settings, self._answer)
        self.parts: list[tuple[str, App]] = []
        self.trouble = ""  # why it could not start
        self._desk: Desk | None = None
        self._api: Api | None = None
        self._subscriptions: Subscriptions | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self.guard(scope, receive, send)

    async def start(self) -> None:
        """Open what the parts share. Raises SwarmError where there is no usable log."""
        self.guard.start()
        self._desk = Desk(self.settings)
        self._api = Api(self.settings, self._desk.hub)
        observed = Observed(self._desk.metrics, self._desk.log)
        self._subscriptions = Subscriptions(self._desk)
        self.parts += [("/v1/stream/__ds/", self._subscriptions)]
        self.parts += [("/v1/stream/", Streams(self._desk)), ("/v1/", self._api)]
        self.parts += [("/metrics", observed), ("/healthz", observed), ("/", Page())]

    def end_live(self) -> None:
        """End the responses that last, because the server is about to stop; their readers come again."""
        if self._desk is not None:
            self._desk.end_live()
        if self._api is not None:
            self._api.end_live()

    async def stop(self) -> None:
        """Close it again."""
        self.guard.stop()
        if self._subscriptions is not None:
            await self._subscriptions.close()
        if self._api is not None:
            await self._api.close()
        if self._desk is not None:
            await self._desk.close()

    def count_stalled(self) -> None:
        """A reader that took nothing was cut off."""
        if self._desk is not None:
            self._desk.metrics.cut_off()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except SwarmError as error:
            self.trouble = f"{error.message}; {error.hint}"
            await send({"type": "lifespan.startup.failed", "message": ""})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        part = next((part for prefix, part in self.parts if path.startswith(prefix)), None)
        try:
            if part is None:
                raise wire.Refused(404, f"there is nothing at {path}", "see /v1/openapi.json")
            await part(scope, receive, send)
        except wire.Refused as refused:
            await wire.refuse(send, refused)
        except SwarmError as error:
            await wire.fail(send, error)
        except wire.Disconnected:
            pass


def build(settings: Settings) -> Server:
    """The application of one server."""
    return Server(settings)
