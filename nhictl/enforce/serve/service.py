"""What the endpoints share: the home with its threads, who may ask, where we are, and the figures."""

from __future__ import annotations

from typing import Final, NamedTuple

from nhictl.enforce.serve.figures import Figures
from nhictl.enforce.serve.workers import Workers
from nhictl.ops.callers import Callers
from nhictl.ops.house import House

READERS: Final = 3


class Place(NamedTuple):
    """Where we are: `base` is the URL that others reach us at, without a slash at its end, None if there is none to name;
    `issuer` the authority's; `audience` who we are to tokens that callers come in with; `folder` the one that is served.
    """

    issuer: str
    base: str | None = None
    audience: str | None = None
    folder: str | None = None


class Service:
    """One served authority."""

    def __init__(self, house: House, place: Place) -> None:
        self.place = place
        self.callers = Callers(house)
        self.figures = Figures()
        self.writer = Workers(house, 1)
        self.readers = Workers(house, READERS)

    def close(self) -> None:
        """Finish what was begun, and let go of the home."""
        self.readers.close()
        self.writer.close()
