"""`nhictl trust refresh`."""

from __future__ import annotations

from nhictl.cli.main import Reply, report
from nhictl.cli.session import session
from nhictl.errors import NotFoundError, UnavailableError
from nhictl.ops.publish_trust import republish
from nhictl.render import Result


def command() -> Reply:
    """Bring every folder that was published in up to date, and sign its status lists anew. For a timer, once a minute.

    A status list is believed for 15 minutes at most, and verifiers that ask for fresher ones fail closed without this.

    Example: nhictl trust refresh
    """
    done, head = republish(session().house())
    if not done:
        raise NotFoundError("nothing was published yet", code="nothing_matched", hint="nhictl trust publish --out DIR")
    body: dict[str, object] = {"published": [each.to_json() for each in done]}
    if head is not None:
        body["log"] = head.to_json()
    lines = [f"{each.out}: {f'{each.changed} files written' if each.error is None else each.error}" for each in done]
    failed = [each for each in done if each.error is not None]
    for each in failed:
        report(
            UnavailableError(f"cannot bring `{each.out}` up to date: {each.error}", code="publish_incomplete"),
            session(),
        )
    return Reply(Result("nhictl.refresh/v1", body, text=lines), 7 if failed else 0)
