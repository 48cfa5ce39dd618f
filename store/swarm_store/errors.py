"""What can go wrong, as one family: each error says what is wrong, what to do, and the exit status.

Raised anywhere, rendered only at the command line's boundary. `message` is one line; `hint` is what
the user can do about it; `exit_code` is the documented status of the command that meets it.
"""

from __future__ import annotations


class SwarmError(Exception):
    """It failed. The root of every error that swarmctl raises on purpose."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class WrongUsage(SwarmError):
    """What was asked for makes no sense as it is written."""

    exit_code = 2


class NoSuchAgent(SwarmError):
    """No agent has that id or name."""

    exit_code = 3


class NotPossible(SwarmError):
    """The agent's state does not allow it."""

    exit_code = 4


class IllegalTransition(NotPossible):
    """An event would move an agent where the transition table has no way."""


class NameTaken(SwarmError):
    """A living agent has that name already."""


class TooDeep(SwarmError):
    """Agents have spawned agents that have spawned agents, and so on, deeper than is meant to be."""


class TreeRefused(SwarmError):
    """A tree of agents has as many as it may, or has spent its budget, or one of it would change that."""


class NoRoom(NotPossible):
    """An ended agent would be one too many in its tree, as long as others live there."""


class NoSuchApproval(SwarmError):
    """No agent has asked for an approval of that id."""

    exit_code = NoSuchAgent.exit_code


class AlreadyAnswered(NotPossible):
    """Somebody has answered this approval, or whoever asked is gone."""


class AnsweredLate(AlreadyAnswered):
    """The time to answer this approval was over; that it is denied was written down instead of the answer."""


class CannotStart(SwarmError):
    """The agent's command could not be executed; 127 is not found, 126 found and not executable."""

    def __init__(self, message: str, hint: str = "", exit_code: int = 125) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


class HomeRefused(SwarmError):
    """The state directory cannot be used safely."""


class LogUnusable(SwarmError):
    """The event log cannot be opened, read or written."""


class LogGone(LogUnusable):
    """The file that was open as the log is no longer the one at its path: deleted, or replaced by another."""


class LogDamaged(LogUnusable):
    """The database file is corrupt, or no database at all."""


class LogBusy(LogUnusable):
    """The write lock was not to be had in time."""


class OffsetConflict(SwarmError):
    """The stream has grown past the offset that the writer expected."""


class ProducerFenced(SwarmError):
    """A newer incarnation of the producer has taken over; `epoch` is its, where that is known."""

    def __init__(self, message: str, hint: str = "", epoch: int | None = None) -> None:
        super().__init__(message, hint)
        self.epoch = epoch


class ProducerGap(SwarmError):
    """A producer's sequence leaves some out."""

    def __init__(self, message: str, expected: int, received: int) -> None:
        super().__init__(message, f"send {expected} first")
        self.expected = expected
        self.received = received


class NoSuchStream(SwarmError):
    """No stream has that name."""

    exit_code = NoSuchAgent.exit_code


class StreamGone(SwarmError):
    """The stream was deleted; it is kept for its forks alone."""


class StreamConflict(SwarmError):
    """There is a stream of that name, and it is another one than was asked for."""


class StreamClosed(SwarmError):
    """Nothing can be appended to a closed stream; `head` is where it ends."""

    def __init__(self, message: str, head: int) -> None:
        super().__init__(message, "it can be read, and forked")
        self.head = head


class ContentTypeConflict(SwarmError):
    """The stream is of another content type."""


class SequenceConflict(SwarmError):
    """A Stream-Seq that is not after the last one."""


class SubscriptionRefused(SwarmError):
    """A subscription cannot do what was asked of it; `code` is the protocol's word for why."""

    code = "INVALID_REQUEST"


class NoSuchSubscription(SubscriptionRefused):
    """No subscription has that id."""

    code = "SUBSCRIPTION_NOT_FOUND"
    exit_code = NoSuchAgent.exit_code


class SubscriptionConflict(SubscriptionRefused):
    """There is a subscription of that id, and it is configured otherwise."""

    code = "SUBSCRIPTION_ALREADY_EXISTS"


class WakeFenced(SubscriptionRefused):
    """The wake that is spoken of is over: a later one, or none, is in flight."""

    code = "FENCED"


class AlreadyClaimed(SubscriptionRefused):
    """Another worker holds the lease."""

    code = "ALREADY_CLAIMED"

    def __init__(self, message: str, holder: str, generation: int) -> None:
        super().__init__(message, "it is free when its lease ends")
        self.holder = holder
        self.generation = generation


class AckRefused(SubscriptionRefused):
    """An offset that cannot be acknowledged: of another stream, before what is, or beyond the end."""

    code = "INVALID_OFFSET"
