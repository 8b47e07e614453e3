"""`nhictl home backup`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.ops.backup_home import backup
from nhictl.render import Result


def command(
    target: Annotated[str, typer.Argument(metavar="FILE|DIR", help="a new file, or a folder to put one in")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="put the key-encryption key beside it: together they are the authority")
    ] = False,
) -> Reply:
    """Copy the whole database while others write, verify the copy, and print its path. Exit 1 if its log was altered.

    The key-encryption key is not in it: without that key a backup can be verified, but not used. Keep it elsewhere.

    Example: nhictl home backup /var/backups/nhictl
    """
    done = backup(session().house(), target, with_keys=with_keys)
    lines = [
        f"{done.path}: {done.head.size} records, {done.integrity.verdict}",
        f"{done.keys}: the key-encryption key; whoever has both can act as this authority"
        if done.keys
        else "the key-encryption key is not in it (--with-keys): keep a copy apart from this one",
    ]
    return Reply(Result("nhictl.backup/v1", done.to_json(), text=lines), done.integrity.exit)
