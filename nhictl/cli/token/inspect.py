"""`nhictl token inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.session import read_input
from nhictl.core import strict_json, times
from nhictl.core.token import compact
from nhictl.core.token.verdict import RejectedError
from nhictl.errors import InputError
from nhictl.render import Result


def command(
    token_file: Annotated[
        str, typer.Option("--token-file", metavar="FILE", help="where the token is; - for stdin")
    ] = "-",
) -> Result:
    """Decode a token and show what it says. This proves nothing: anybody could have written it.

    Example: nhictl token inspect <token
    """
    try:
        _, (head, body, signature) = compact.split(read_input(token_file, compact.MAX_TOKEN + 2))
        header, claims = strict_json.loads(head), strict_json.loads(body)
    except RejectedError as e:
        raise InputError(f"not a token: {e.message or e.reason}", code=e.reason) from e
    except strict_json.StrictJSONError as e:
        raise InputError(f"not a token: {e}", code="token_bad_json") from e
    lines = ["decoded only: nothing of this is proved", "header  " + strict_json.dumps(header)]
    for name, value in claims.items() if isinstance(claims, dict) else ():
        shown = strict_json.dumps(value)
        if name in ("iat", "nbf", "exp") and isinstance(value, int) and abs(value) < 253402300800:
            shown += f"  ({times.rfc3339(value * 1_000_000)})"
        lines.append(f"{name}  {shown}")
    body_json = {"proved": False, "header": header, "claims": claims, "signature_bytes": len(signature)}
    return Result("nhictl.inspection/v1", body_json, text=lines)
