"""`nhictl crypto status-list`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nhictl.cli.crypto.checks import Batch, ask_one, json_file, verdict
from nhictl.cli.main import Reply
from nhictl.cli.session import read_input
from nhictl.errors import InputError
from nhictl.ops.crypto_checks import encode_statuses, status_at, status_list_line
from nhictl.ops.reading import LIST_LIMIT, json_value
from nhictl.render import Result
from nhictl.render.json_text import compact

SCHEMA = "nhictl.status_list/v1"


def command(
    file: Annotated[
        str | None,
        typer.Option("--list", metavar="FILE", help="a status list token, its claims, or its status_list; - for stdin"),
    ] = None,
    idx: Annotated[int | None, typer.Option("--idx", metavar="N", help="the entry to look up, from 0")] = None,
    encode: Annotated[
        str | None, typer.Option("--encode", metavar="FILE", help="a JSON array of statuses to pack; - for stdin")
    ] = None,
    bits: Annotated[int, typer.Option("--bits", metavar="1|2|4|8", help="bits per entry, with --encode")] = 2,
    batch: Batch = None,
) -> Reply:
    """Look up one entry of a token status list, or pack a list. Exit 0 the entry is VALID, 1 it is not.

    The signature of a status list token is not looked at: token verify --offline does that.

    Example: nhictl crypto status-list --list status/1.jwt --idx 40217
    """
    if file is not None and encode is not None:
        raise InputError("give one thing: --list FILE --idx N, --encode FILE, or --batch FILE", code="usage")
    given = file if file is not None else encode
    if (
        done := ask_one("--list FILE with --idx N, or --encode FILE", SCHEMA, given, batch, status_list_line)
    ) is not None:
        return done
    if encode is not None:
        body = encode_statuses(json_file(encode), bits)
        return Reply(Result(SCHEMA, {"status_list": body}, text=[compact(body)], plain=compact(body)), 0)
    if idx is None:
        raise InputError("--list goes with --idx N", code="usage")
    found = status_at(_read(file or "-"), idx)
    return verdict(SCHEMA, found, f"valid: entry {idx} of {found.get('size')}")


def _read(name: str) -> Any:
    """A list in JSON, or the text of a token."""
    data = read_input(name, LIST_LIMIT)
    if data.lstrip()[:1] == b"{":
        return json_value(data, "<stdin>" if name == "-" else name)
    return data.decode("utf-8", "replace")
