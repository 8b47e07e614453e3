"""`nhictl key revoke`."""

from __future__ import annotations

from nhictl.cli.key.options import Kid, reply
from nhictl.cli.main import Reply
from nhictl.cli.options import Reason
from nhictl.cli.session import session
from nhictl.ops.change_key import revoke
from nhictl.render import Result


def command(kid: Kid, reason: Reason = None) -> Result | Reply:
    """End a tainted key and every token it signed: checks begun after this refuse them, and it leaves what is published.

    Verifiers elsewhere refuse them once they have fetched the keys again, 300 s or so later.

    Example: nhictl key revoke $OLD
    """
    done = revoke(session().house(), kid, reason)
    lines = [f"key {kid} is revoked", f"live tokens that ended with it: {done.dependent}"]
    return reply(done, lines, count=done.dependent, tokens=done.tokens)
