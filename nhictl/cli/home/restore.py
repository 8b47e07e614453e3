"""`nhictl home restore`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.session import session
from nhictl.ops.restore_home import restore
from nhictl.render import Result


def command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="a backup made by: nhictl home backup")],
    keys: Annotated[
        str | None,
        typer.Option("--keys", metavar="FILE", help="its key-encryption key, for a home without; default FILE.kek"),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="put it in place of the database that is there, which is kept beside it")
    ] = False,
) -> Result:
    """Bring a backup back into an empty home, or with --replace into this one.

    Format, schema, log, chain and keys are checked before anything is changed. If the backup is older than what was here,
    or nobody knows, everything but revoking and reading answers exit 6 until: nhictl doctor --accept-restore.

    Example: nhictl home restore /var/backups/nhictl/nhictl-2ec3cb1a-118.db --replace
    """
    done = restore(session().house(), file, keys_file=keys, replace=replace)
    lines = [f"{done.home}: {done.head.size} records restored"]
    if done.kept:
        lines.append(f"the database of before is kept: {done.kept}")
    lines.append(f"not in use yet: {done.refused}" if done.refused else "it is the newest one, and in use again")
    return Result("nhictl.restore/v1", done.to_json(), text=lines)
