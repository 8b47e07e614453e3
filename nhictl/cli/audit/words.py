"""Words that the views of evidence have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nhictl.render import Line


def place(ref: dict[str, Any]) -> str:
    """A record as people find it: its number; of a foreign file the offset in bytes, or the number of the message, both from 0.

    What speaks of a file as a whole is the file.
    """
    if "seq" in ref:
        return f"{ref['file']}:#{ref['seq']}" if "file" in ref else f"#{ref['seq']}"
    name = str(ref.get("file", "?"))
    if "message" in ref:
        return f"{name} message {ref['message']}"
    return f"{name} byte {ref['offset']}" if "offset" in ref else name


def brief(time: str | None) -> str:
    """A time to the second, for people; `?` if there is none."""
    return "?" if time is None else f"{time[:19]}Z" if time.endswith("Z") else time


def verdict_line(integrity: Mapping[str, Any]) -> Line:
    """What the evidence proves, which no terminal is too narrow for."""
    return Line(f"{integrity['verdict']}: {integrity['message']}", whole=True)


def counted(count: int, noun: str) -> str:
    """So many of them."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
