"""`--batch`: JSONL in, one JSONL answer per line, in order, one process, streaming."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from nhictl.errors import InputError, NhictlError
from nhictl.ops.reading import json_value
from nhictl.render.json_text import compact

MAX_LINE = 1_000_000
ERROR = "nhictl.error/v1"


def answers(name: str, schema: str, ask: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
    """Answer every line of the file, or of standard input for `-`; exit 0, or 2 when any line was malformed.

    A bad line gets an answer with `error` and the batch goes on. `id` is echoed as it was given; `schema`
    is that of a good answer.
    """
    malformed = False
    try:
        file: BinaryIO = sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115
    except OSError as e:
        raise InputError(f"cannot read `{name}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e
    with file:
        for number, line in enumerate(_lines(file), 1):
            if not line.strip():
                continue
            answer = _one(line, schema, ask, "<stdin>" if name == "-" else name, number)
            malformed |= "error" in answer
            sys.stdout.write(compact(answer) + "\n")
            sys.stdout.flush()
    return 2 if malformed else 0


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE + 1):
        whole = line.endswith(b"\n") or len(line) <= MAX_LINE
        yield line
        while not whole:
            rest = file.readline(MAX_LINE)
            whole = not rest or rest.endswith(b"\n")


def _one(
    line: bytes, schema: str, ask: Callable[[dict[str, Any]], dict[str, Any]], name: str, number: int
) -> dict[str, Any]:
    ident: dict[str, Any] = {}
    try:
        if len(line) > MAX_LINE:
            raise InputError(f"a line of over {MAX_LINE} bytes", code="too_large")
        value = json_value(line, name, number)
        if not isinstance(value, dict):
            raise InputError("a line is one JSON object", code="invalid_request_line")
        if "id" in value:
            ident = {"id": value.pop("id")}
        return {"schema": schema} | ident | ask(value)
    except NhictlError as e:
        if e.exit not in (2, 3, 4):
            raise
        return error_line(e, ident, name, number)


def error_line(error: NhictlError, ident: dict[str, Any], file: str, line: int) -> dict[str, Any]:
    """The answer to a line that cannot be answered; what was wrong with the input is placed in its file."""
    if isinstance(error, InputError):
        column = error.details.get("column")
        error = InputError(error.bare_message, file=file, line=line, column=column, code=error.code, hint=error.hint)
    body = {"code": error.code, "message": error.message, "hint": error.hint, "details": error.details}
    return {"schema": ERROR, **ident, "error": body}
