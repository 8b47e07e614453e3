"""What the verbs on signing keys share: options, and the reply that says which folders know of the change."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nhictl.cli.main import Reply, report
from nhictl.cli.session import session
from nhictl.errors import UnavailableError
from nhictl.ops.change_key import Changed
from nhictl.render import Result

Kid = Annotated[str, typer.Argument(metavar="KID", help="the key, as `key list` shows it")]


def what(done: Changed) -> str:
    """What keys of this use sign."""
    return "certificates" if done.key["use"] == "x509" else "tokens"


def reply(done: Changed, lines: list[str], *, plain: str | None = None, **more: Any) -> Result | Reply:
    """The key after the change. If a folder does not know of it yet, that is said on standard error, with exit 7.

    The change itself is done all the same, and the answer on standard output says so.
    """
    kid, state = done.key["kid"], done.key["state"]
    published = [each.to_json() for each in done.published]
    said = [f"published in {each.out}" for each in done.published if each.changed]
    body = {"key": done.key, **more, "published": published, "log": done.head.to_json()}
    result = Result("nhictl.key/v1", body, text=[*lines, *said], plain=plain)
    failed = [each for each in done.published if each.error is not None]
    if not failed:
        return result
    report(
        UnavailableError(
            f"key `{kid}` is {state} here, but `{failed[0].out}` may not say so yet: {failed[0].error}",
            code="publish_incomplete", details={"kid": kid, "state": state, "folders": [each.out for each in failed]},
            hint=f"what reads it goes on as before; mend it, then: nhictl trust publish --out {failed[0].out}",
        ), session(),
    )  # fmt: skip
    return Reply(result, 7)
