"""What the low-level checks share: their input, `--batch`, and how an answer is told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from nhictl.cli.batch import answers
from nhictl.cli.main import Reply
from nhictl.cli.session import read_input
from nhictl.errors import InputError
from nhictl.ops.crypto_checks import MAX_INPUT
from nhictl.ops.reading import json_value
from nhictl.render import Result

Batch = Annotated[str | None, typer.Option("--batch", metavar="FILE", help="questions as JSONL; - for stdin")]
Line = Callable[[dict[str, Any]], dict[str, Any]]


def ask_one(name: str, schema: str, given: str | None, batch: str | None, line: Line) -> Reply | None:
    """The reply of `--batch`, or None when the one thing called `name` was given; InputError for both or neither."""
    if (given is None) == (batch is None):
        raise InputError(f"give one thing: {name}, or --batch FILE", code="usage")
    return None if batch is None else Reply(None, answers(batch, schema, line))


def json_file(name: str) -> Any:
    """The JSON value of a file, or of standard input for `-`; InputError says where it is none."""
    return json_value(read_input(name, MAX_INPUT), "<stdin>" if name == "-" else name)


def verdict(schema: str, body: dict[str, Any], good: str, plain: str | None = None) -> Reply:
    """The reply of a check: `plain`, the thing it made, or the sentence `good` when valid, else the reason; exit 0 or 1."""
    why = f": {body['message']}" if body.get("message") else ""
    text = good if body["valid"] else f"refused: {body['reason']}{why}"
    return Reply(Result(schema, body, text=[text], plain=plain), 0 if body["valid"] else 1)


def refused(body: dict[str, Any]) -> Reply:
    """A refusal told on standard error alone: standard output is for the thing that was asked for."""
    why = f": {body['message']}" if body.get("message") else ""
    print(f"nhictl: refused: {body['reason']}{why}", file=sys.stderr)
    return Reply(None, 1)


def findings(schema: str, body: dict[str, Any], what: str) -> Reply:
    """The reply of a lint: a line for each finding and what it comes to; exit 1 when one is an error."""
    lines = []
    for one in body["findings"]:
        where = f"{what}" if one["key"] is None else f"key {one['key']}"
        named = f" ({one['kid']})" if one["kid"] is not None else ""
        lines.append(f"{one['severity']:<7} {where}{named}: {one['code']}: {one['message']}")
    errors = sum(one["severity"] == "error" for one in body["findings"])
    ending = f"{errors} error{'s' if errors != 1 else ''}" if errors else "valid"
    return Reply(Result(schema, body, text=[*lines, ending]), 0 if body["valid"] else 1)
