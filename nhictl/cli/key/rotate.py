"""`nhictl key rotate`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.rotate_log_key import rotate
from nhictl.render import Result


def command(
    log: Annotated[bool, typer.Option("--log", help="the key that signs the log's checkpoints")] = False,
) -> Reply:
    """Let a new key sign the log. The old one signs the new one's name into the log, and is destroyed.

    Whoever pinned the log's chain, or any of its keys, needs to do nothing: verifiers follow the log's own records. Exit
    3 while an open reader keeps the old key in the write-ahead log; it is gone once that has closed.

    Example: nhictl key rotate --log
    """
    if not log:
        raise InputError(
            "rotate what? --log is missing", code="usage",
            hint="keys for tokens and certificates: nhictl key prepare, then nhictl key activate",
        )  # fmt: skip
    done = rotate(session().house())
    body = {
        "key": done.key, "replaced": done.replaced, "verifier_key": done.verifier_key,
        "erasure": "done" if done.erased else "erasure_pending", "copies": done.copies, "log": done.head.to_json(),
    }  # fmt: skip
    lines = [
        f"log key {done.key['kid']} signs from record {done.head.size - 1} on in place of {done.replaced}",
        "the old private key is destroyed" if done.erased
        else "erasure_pending: an open reader keeps the old private key in the write-ahead log until it closes",
        *(f"a database from before still holds it, sealed: {name}" for name in done.copies),
    ]  # fmt: skip
    return Reply(
        Result("nhictl.key/v1", body, text=[*lines, f"verifier key {done.verifier_key}"]), 0 if done.erased else 3
    )
