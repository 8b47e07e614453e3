"""`nhictl token inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.session import read_input
from nhictl.ops.inspect_token import inspect
from nhictl.ops.reading import TOKEN_LIMIT, rfc3339
from nhictl.render import Result
from nhictl.render.json_text import compact


def command(
    token_file: Annotated[
        str, typer.Option("--token-file", metavar="FILE", help="where the token is; - for stdin")
    ] = "-",
) -> Result:
    """Decode a token and show what it says. This proves nothing: anybody could have written it.

    Example: nhictl token inspect <token
    """
    body = inspect(read_input(token_file, TOKEN_LIMIT))
    lines = ["decoded only: nothing of this is proved", "header  " + compact(body["header"])]
    for name, value in body["claims"].items():
        timed = name in ("iat", "nbf", "exp") and isinstance(value, int)
        lines.append(f"{name}  {compact(value)}" + (f"  ({rfc3339(value)})" if timed else ""))
    return Result("nhictl.inspection/v1", body, text=lines)
