"""How what lint says about trusts is shown."""

from __future__ import annotations

from typing import Any

from nhictl.cli.main import Reply
from nhictl.ops.trusts import Linted
from nhictl.render import Result

SCHEMA = "nhictl.trust_lint/v1"


def line(finding: dict[str, Any]) -> str:
    """`file:line:column: severity: code: message`."""
    place = ":".join(str(finding[part]) for part in ("file", "line", "column") if finding[part] is not None)
    which = "" if finding["key"] is None else f" key {finding['key']}:"
    return f"{place}: {finding['severity']}: {finding['code']}:{which} {finding['message']}"


def report(linted: list[Linted]) -> Reply:
    """All findings and what they come to; exit 1 when one is an error. Of several files, each is an item."""
    told = [one.to_json() for one in linted]
    lines = [line(finding) for one in told for finding in one["findings"]]
    errors = sum(finding["severity"] == "error" for one in told for finding in one["findings"])
    lines.append(f"{errors} error{'s' if errors != 1 else ''}" if errors else "valid")
    body = told[0] if len(told) == 1 else {"valid": not errors, "items": told}
    return Reply(Result(SCHEMA, body, text=lines, items=told), 1 if errors else 0)
