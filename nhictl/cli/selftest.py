"""`nhictl selftest`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.selftest import negative
from nhictl.render import Result, Table


def command(
    battery: Annotated[
        bool, typer.Option("--negative", help="tokens, calls and logs that must be refused, with controls")
    ] = False,
) -> Reply:
    """Put what must be refused to this very installation. Exit 0 all was refused for the right reason, 1 not.

    Bad tokens are signed in a home that is thrown away; the live home, if there is one, is asked without changing it.

    Example: nhictl selftest --negative
    """
    if not battery:
        raise InputError("name what to test: --negative", code="usage")
    house = session().house()
    live = house if house.exists() else None
    checks = negative(live)
    failed = [check for check in checks if not check.passed]
    body = {
        "passed": len(checks) - len(failed), "failed": len(failed), "live_home": live is not None,
        "checks": [check.to_json() for check in checks],
    }  # fmt: skip
    rows = [("ok" if c.passed else "FAILED", c.area, c.name, c.expected, "" if c.passed else c.got) for c in checks]
    lines = [f"FAILED {c.area}: {c.name}: expected {c.expected}, got {c.got}" for c in failed]
    where = "and the live home" if live is not None else "no live home to ask"
    lines.append(f"{body['passed']} refused or allowed as they must be, {body['failed']} not ({where})")
    result = Result("nhictl.selftest/v1", body, text=lines, table=Table(("", "area", "check", "expected", "got"), rows))
    return Reply(result, 1 if failed else 0)
