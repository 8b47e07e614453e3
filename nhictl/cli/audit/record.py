"""`nhictl audit record`."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, Final

import typer

from nhictl.cli.batch import MAX_LINE, error_line
from nhictl.cli.line_feed import LineFeed
from nhictl.cli.main import Reply
from nhictl.cli.session import read_input, session
from nhictl.errors import InputError, NhictlError
from nhictl.ops.act import Head
from nhictl.ops.reading import TOKEN_LIMIT, json_value
from nhictl.ops.record_events import Kept, Outcome, Told, read, record_events
from nhictl.render.json_text import compact

SCHEMA: Final = "nhictl.recorded/v1"


def command(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="events as JSONL; - for stdin")] = "-",
    token_file: Annotated[
        str | None,
        typer.Option(
            "--token-file", metavar="FILE", help="a token that proves the events which bring none of their own"
        ),
    ] = None,
) -> Reply:
    """Record what an agent framework tells, one JSON object a line, each answered on stdout once it is durable.

    A line is {"type","agent","task","jti","tool","args","call","result","outcome","time","span","parent"}, and may have
    resource, content, role, error, trace, op, token and id, which is echoed. Types: tool.called, tool.returned,
    message.added. A tool.returned may name the record that allowed its call (called) and the bytes that left (bytes_out):
    with a live token that settles the call's limits. With a live token of the agent and task it names an event is recorded,
    without one claimed. Secrets in content are masked, then content is sealed.

    Lines that come together are made durable together: a group ends after 2 ms of silence, 50 ms, 256 lines or 4 MB. While
    one is written nothing is read, so a faster writer waits. A line that cannot be recorded is answered with its error
    and the rest goes on; exit 2 then. What was not answered may be recorded or not.

    Example: nhictl audit record --token-file token <events.jsonl
    """
    token = read_input(token_file, TOKEN_LIMIT).strip() if token_file is not None else None
    name = "<stdin>" if file == "-" else file
    malformed = False
    handle = sys.stdin.fileno() if file == "-" else _opened(file)
    try:
        house = session().house()
        _ = house.db  # a home that is not there is said before anything is read
        feed, number = LineFeed(handle), 0
        while group := feed.group():
            lines = [_Line(name, number + place, line) for place, line in enumerate(group, 1)]
            number += len(group)
            told = [line.told for line in lines if line.told is not None]
            outcomes, head = record_events(house, told, token) if told else ([], None)
            answers = iter(outcomes)
            said = [line.answer(next(answers) if line.told is not None else None, head) for line in lines]
            sys.stdout.write("".join(compact(one) + "\n" for one in said if one is not None))
            sys.stdout.flush()
            malformed |= any(one is not None and "error" in one for one in said)
    finally:
        if file != "-":
            os.close(handle)
    return Reply(None, 2 if malformed else 0)


def _opened(file: str) -> int:
    try:
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        raise InputError(f"cannot read `{file}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e


class _Line:
    """One line of input: what it tells, or why it tells nothing."""

    def __init__(self, file: str, number: int, line: bytes | None) -> None:
        self.file, self.number = file, number
        self.ident: dict[str, Any] = {}
        self.told: Told | None = None
        self.error: NhictlError | None = None
        self.blank = line is not None and not line.strip()
        if self.blank:
            return
        try:
            if line is None:
                raise InputError(f"a line of over {MAX_LINE} bytes", code="too_large")
            value = json_value(line, file, number)
            if isinstance(value, dict) and "id" in value:
                self.ident = {"id": value.pop("id")}
            self.told = read(value)
        except InputError as e:
            self.error = e

    def answer(self, outcome: Outcome | None, head: Head | None) -> dict[str, Any] | None:
        """The line of output, None for a blank line."""
        if self.blank:
            return None
        if isinstance(outcome, Kept) and head is not None:
            body: dict[str, Any] = {"schema": SCHEMA, **self.ident, "line": self.number, "seq": outcome.seq}
            body |= {"evidence": outcome.evidence, "masked": outcome.masked}
            return body | ({"why": outcome.why} if outcome.why else {}) | {"log": head.to_json()}
        error = outcome if isinstance(outcome, NhictlError) else self.error
        assert error is not None  # noqa: S101 - a line is a fault or an event
        return error_line(error, self.ident, self.file, self.number)
