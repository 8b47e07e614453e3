"""`nhictl audit checkpoint`."""

from __future__ import annotations

from nhictl.cli.session import session
from nhictl.ops.audit_log import newest
from nhictl.render import Result


def command() -> Result:
    """Print the newest signed checkpoint. Whoever keeps one elsewhere is a witness: see audit verify --anchor.

    Example: nhictl audit checkpoint >$(date +%F).checkpoint
    """
    note, head = newest(session().house())
    return Result("nhictl.checkpoint/v1", {"note": note, "log": head.to_json()}, plain=note)
