"""`nhictl key revoke`."""

from __future__ import annotations

from nhictl.cli.key.options import Kid, reply, what
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
    fate = (
        "that verifiers trust until they fetch the bundle again" if done.key["use"] == "x509" else "that ended with it"
    )
    lines = [f"key {kid} is revoked", f"live {what(done)} {fate}: {done.dependent}"]
    return reply(done, lines, count=done.dependent, tokens=done.tokens)
