"""`nhictl policy activate`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.approver_options import Key, KeyPassphrase, signer
from nhictl.cli.main import Reply
from nhictl.cli.policy.inputs import read_files
from nhictl.cli.session import session
from nhictl.ops.activate_policy import Change
from nhictl.render import Result

REFUSED = 5


def command(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="the whole set of rules; - for stdin")],
    accept_gained: Annotated[
        bool, typer.Option("--accept-gained", help="also if something is allowed that was not before")
    ] = False,
    key: Key = None,
    key_passphrase_file: KeyPassphrase = None,
) -> Reply:
    """Put a policy in force. The files together replace whatever was in force before.

    What this changes is shown first. If it allows anything that was not allowed before, or that cannot be decided,
    nothing is changed and it exits 5, unless --accept-gained says that this is meant; where the policy in force names
    approvers for `accept_gained`, it takes one of them, by user id or --key. A first policy replaces none.

    Example: nhictl policy activate samples/payments.policy.yaml
    """
    sign = signer(key, key_passphrase_file)
    change = Change(session().house(), read_files(files))
    if change.diff is not None and change.gains and not accept_gained:
        return Reply(
            Result("nhictl.policy_diff/v1", {**change.diff, "activated": False}, text=_refused(change.diff)), REFUSED
        )
    made, head = change.carry_out(session().house(), accept_gained=accept_gained, signer=sign)
    body: dict[str, Any] = {"policy": made, "log": head.to_json()}
    if change.diff is not None:
        body["diff"] = change.diff
    return Reply(Result("nhictl.policy/v1", body, text=_activated(made, change.diff)), 0)


def _refused(diff: dict[str, Any]) -> Iterator[str]:
    from nhictl.cli.policy.regions import diff as shown

    yield from shown(diff)
    yield "refused, nothing was changed: access is gained, or may be; if that is meant, say --accept-gained"


def _activated(made: dict[str, Any], diff: dict[str, Any] | None) -> Iterator[str]:
    if diff is not None and diff["verdict"] != "equivalent":
        from nhictl.cli.policy.regions import diff as shown

        yield from shown(diff)
    same = made["replaces"] == made["digest"]
    before = f"; it replaces {made['replaces'][:19]}…" if made["replaces"] and not same else ""
    before = "; it says the same as the one before" if same else before
    yield f"policy {made['id']} in force: {made['rules']} rules, {made['digest']}{before}"
