"""Interleaved pairs, medians, and rows of a table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table: what was measured, ours, the floor or peer, the ratio, the budget and whether it is met."""

    what: str
    ours: str
    floor: str
    ratio: str
    budget: str
    met: bool | None


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def pairs(ours: Callable[[], object], floor: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Medians of both and of their ratio, A B A B …, after one warm-up of each."""
    ours(), floor()
    found = [(timed(ours), timed(floor)) for _ in range(rounds)]
    return (
        statistics.median(a for a, _ in found),
        statistics.median(b for _, b in found),
        statistics.median(a / b for a, b in found),
    )


def at_most(what: str, found: tuple[float, float, float], budget: float) -> Row:
    """A row whose ratio of times may be at most `budget`."""
    ours, floor, ratio = found
    return Row(what, f"{ours * 1e3:.1f} ms", f"{floor * 1e3:.1f} ms", f"{ratio:.2f}", f"≤ {budget}", ratio <= budget)


def table(rows: list[Row]) -> str:
    """The rows as plain text."""
    head = ("what", "ours", "floor or peer", "ratio", "budget", "met")
    lines = [head, *((*row[:5], {True: "yes", False: "NO", None: "–"}[row.met]) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
