"""Start-up, streaming, and readers that go away."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import sys

import pytest

from nhictl.render import FORMATS, Result, Table, emit

LIGHT = """
import io, sys
before = set(sys.modules)
from nhictl.render import Result, Table, emit, error_text
out = io.StringIO()
for fmt in (None, "json", "jsonl"):
    for terminal in (False, True):
        emit(Result("s/v1", {"a": "\\x1b"}, plain="t", items=[{"a": 1}]), fmt, out,
             color=True, terminal=terminal, width=80)
heavy = {"rich", "tabulate", "csv", "re", "unicodedata", "dataclasses", "nhictl.render.grid", "nhictl.render.delimited"}
print(sorted(heavy & (set(sys.modules) - before)))
"""


class Gone(io.StringIO):
    """A reader that takes ten writes and goes."""

    left = 10

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise BrokenPipeError
        return super().write(text)


def endless() -> Result:
    rows = ((n, f"row {n}") for n in itertools.count())
    items = ({"n": n} for n in itertools.count())
    text = (f"line {n}" for n in itertools.count())
    return Result("s/v1", {}, table=Table(("n", "text"), rows), items=items, items_key="items", text=text)


def test_json_and_plain_load_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", f"import json\n{LIGHT}"], capture_output=True, text=True, check=True)
    # `re` comes with json itself, so it was there before.
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("fmt", [None, "json", "jsonl", "csv", "tsv", "markdown"])
def test_rows_leave_as_they_come_and_a_broken_pipe_ends_it(fmt: str | None) -> None:
    stream = Gone()
    with pytest.raises(BrokenPipeError):
        emit(endless(), fmt, stream, color=False, terminal=False, width=None)
    assert stream.getvalue() != ""


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("fmt", FORMATS)
def test_a_closed_pipe_is_reported_in_every_format(fmt: str, terminal: bool) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = open(writer, "w", encoding="utf-8", newline="\n")  # noqa: SIM115
    result = Result("s/v1", {"a": 1}, table=Table(("a",), [(1,)]), items=[{"a": 1}])
    with pytest.raises(BrokenPipeError):
        emit(result, fmt, stream, color=False, terminal=terminal, width=80)
    with pytest.raises(BrokenPipeError):
        stream.close()
