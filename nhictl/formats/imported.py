"""What an importer hands back, and how it refuses a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhictl.errors import InputError

if TYPE_CHECKING:
    from nhictl.core.replay.event import Event


class ForeignFormatError(InputError):
    """The file is not of the format it was read as, or cannot be read as anything; the message says why (exit 2)."""

    code = "foreign_format"


class Imported:
    """A foreign log as events. `parsed` + `opaque` + `failed` is the number of its records.

    An opaque record is one of a kind the importer does not know, a failed one is broken; both are still among the
    events, as given. `problems` are plain sentences about what is broken or missing.
    """

    __slots__ = ("events", "failed", "format", "opaque", "parsed", "problems")

    def __init__(
        self,
        format: str,  # noqa: A002
        events: list[Event],
        *,
        parsed: int,
        opaque: int,
        failed: int,
        problems: list[str],
    ) -> None:
        self.format = format
        self.events = events
        self.parsed = parsed
        self.opaque = opaque
        self.failed = failed
        self.problems = problems
