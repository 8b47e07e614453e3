"""What is broken or missing in a file, in plain sentences, few however long the file is."""

from __future__ import annotations

from typing import Final

_REASONS: Final = 40
_PLACES: Final = 8


class Problems:
    """Reasons with the first places where each was met."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: dict[str, tuple[list[str], int]] = {}

    def note(self, reason: str, place: str | None = None) -> None:
        """Keep a reason; `place` is how the record is called, such as `line 7`."""
        if reason not in self._found and len(self._found) >= _REASONS:
            reason, place = "further problems of other kinds", None
        places, count = self._found.get(reason, ([], 0))
        if place is not None and len(places) < _PLACES:
            places.append(place)
        self._found[reason] = (places, count + 1)

    def first(self) -> str:
        """The first of them, without its places."""
        return next(iter(self._found), "")

    def sentences(self) -> list[str]:
        """`FILE: reason: line 3, line 7 and 2 more`, in the order of the first of each."""
        made = []
        for reason, (places, count) in self._found.items():
            more = f" and {count - len(places)} more" if places and count > len(places) else ""
            where = f": {', '.join(places)}{more}" if places else ""
            made.append(f"{self.file}: {reason}{where}")
        return made
