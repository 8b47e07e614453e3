"""`nhictl doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.ops.accept_restore import Accepted, accept
from nhictl.ops.doctor.report import Check, examine
from nhictl.render import Result, Table

COLUMNS = ("check", "status", "message")


def command(
    accept_restore: Annotated[
        bool,
        typer.Option(
            "--accept-restore", help="take a database that was put back as the one that counts; ends every token before"
        ),
    ] = False,
) -> Reply:
    """Check modes, owners, keys, clock, disk, database, log, versions and separation; say what to do. Changes nothing.

    Exit 0 if nothing is bad (warnings and what cannot be told do not count), 1 if something is.

    With --accept-restore: record that the database was restored and cut off every token issued before.

    Example: nhictl doctor -o json
    """
    house = session().house()
    if accept_restore:
        done, head = accept(house)
        body = {"restored": done.to_json(), "log": head.to_json()}
        return Reply(Result("nhictl.accepted/v1", body, text=_accepted(done)), 0)
    checks = examine(house)
    worst = [status for status in ("bad", "unknown", "warn", "ok") if any(c.status == status for c in checks)]
    rows = [(check.id, check.status, check.message) for check in checks]
    whole = {"status": worst[0], "checks": [check.to_json() for check in checks]}
    result = Result("nhictl.doctor/v1", whole, table=Table(COLUMNS, rows), message="\n".join(_hints(checks)) or None)
    return Reply(result, 1 if worst[0] == "bad" else 0)


def _hints(checks: Sequence[Check]) -> Iterator[str]:
    """What to do, worst first, each advice once."""
    said: set[str] = set()
    for status in ("bad", "unknown", "warn"):
        for check in checks:
            if check.status == status and check.hint and check.hint not in said:
                said.add(check.hint)
                yield f"{check.id}: {check.hint}"


def _accepted(done: Accepted) -> Iterator[str]:
    yield f"accepted: {done.message}"
    yield f"live tokens cut off: {done.tokens}"
    yield f"agents, tasks and policy are as of {done.newest}: what was suspended, killed or revoked later is not known"
    yield "look through them now: nhictl agent list; nhictl task list; nhictl policy show; nhictl trust publish"
