"""`nhictl policy lint`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.call_options import Supported, obligations
from nhictl.cli.main import Reply
from nhictl.cli.options import At
from nhictl.cli.policy.inputs import read_files, read_registry
from nhictl.cli.policy.regions import request
from nhictl.cli.session import session
from nhictl.ops.lint_policy import LINT_RULES, fails, lint_files
from nhictl.render import Result

FORMATS = ("sarif",)


def command(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE...", help="the policy's files; none: the policy in force")
    ] = None,
    registry: Annotated[str | None, typer.Option("--registry", metavar="FILE", help="only agents of this file")] = None,
    supported: Supported = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 on warnings as well")] = False,
    at: At = None,
) -> Reply:
    """Find what is wrong or strange about a policy, for every request from now on. Exit 0, or 1 if there is an error.

    Every finding that a request can show has one, which the engine was asked about. Where nothing could be proved
    within bounds it says undecided. -o sarif prints what code review and CI systems read. Needs no home with FILE.

    Example: nhictl policy lint samples/payments.policy.yaml --registry samples/agents.yaml
    """
    given = read_files(files)
    agents = read_registry(registry)
    body = lint_files(session().house(), given, agents, obligations(supported), session().at(at))
    result = Result("nhictl.lint/v1", body, text=_lines(body), documents={"sarif": lambda: _sarif(body)})
    return Reply(result, int(fails(body, strict=strict)))


def _lines(body: dict[str, Any]) -> Iterator[str]:
    for one in body["findings"]:
        place = ":".join(str(one[key]) for key in ("file", "line", "column") if one.get(key) is not None)
        about = "" if one["subject"]["kind"] in ("assertion", "policy") else f" {one['subject']['name']}"
        yield f"{place}{': ' if place else ''}{one['level']} {one['rule']}{about}: {one['message']}"
        if "witness" in one:
            said = f" -> {one['decision']['reason']}" if "decision" in one else ""
            yield f"    e.g. {request(one['witness'])}{said}"
    counts = body["summary"]
    yield ", ".join(f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}" for level in counts)


def _sarif(body: dict[str, Any]) -> str:
    from nhictl import __version__
    from nhictl.render.sarif import SarifResult, SarifRule, sarif

    rules = [SarifRule(name, rule.summary, rule.level) for name, rule in LINT_RULES.items()]
    results = []
    for one in body["findings"]:
        beside = {key: one[key] for key in ("subject", "related", "witness", "agent", "decision") if key in one}
        place = (one.get("file"), one.get("line"), one.get("column"))
        results.append(SarifResult(one["rule"], one["level"], one["message"], *place, beside))
    return sarif(__version__, rules, results)
