"""`nhictl policy test`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import read_input
from nhictl.ops.test_policy import least, run_tests, to_json
from nhictl.render import Result
from nhictl.render.json_text import compact

FORMATS = ("junit",)


def command(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="files of tests, YAML; - for stdin")],
    min_coverage: Annotated[
        str | None, typer.Option("--min-coverage", metavar="PERCENT", help="fail below this share of outcomes seen")
    ] = None,
) -> Reply:
    """Run a policy's tests: requests, each with the decision it should get. Exit 0 all passed, 1 not. Needs no home.

    A case may say which calls were made `before`, for limits to count, and what a human `approved`. Coverage counts, for
    every rule and limit, that it applied, that a limit was exceeded, and that each condition was seen true, false and, where
    the fact may be missing, unknown. -o junit prints what CI systems read.

    Example: nhictl policy test samples/payments.test.yaml --min-coverage 90
    """
    wanted = least(min_coverage) if min_coverage is not None else None
    body = to_json([run_tests(name, read_input) for name in files], wanted)
    short = wanted is not None and body["coverage"]["percent"] < wanted
    result = Result("nhictl.policy_test/v1", body, text=_lines(body, short), documents={"junit": lambda: _junit(body)})
    return Reply(result, 1 if body["failed"] or short else 0)


def _lines(body: dict[str, Any], short: bool) -> Iterator[str]:
    for case in body["cases"]:
        yield f"{'ok    ' if case['passed'] else 'FAILED'} {case['name']}"
        if not case["passed"]:
            yield f"       {case['file']}:{case['line']}: {_why(case)}"
    for rule in body["coverage"]["rules"]:
        for missing in rule["missing"]:
            yield f"unseen {rule['rule']}: {missing['condition']}: {missing['outcome']}"
    wanted = f", at least {body['coverage']['min']:g} wanted" if short else ""
    yield f"{body['passed']} passed, {body['failed']} failed, {body['coverage']['percent']:g} % of outcomes seen{wanted}"


def _why(case: dict[str, Any]) -> str:
    differing = [key for key, value in case["expected"].items() if case["got"].get(key) != value]
    said = "; ".join(
        f"{key} expected {compact(case['expected'][key])}, got {compact(case['got'].get(key))}" for key in differing
    )
    return f"{said} ({case['message']})" if case["message"] else said


def _junit(body: dict[str, Any]) -> str:
    from nhictl.render.junit import JunitCase, junit

    cases = [
        JunitCase(c["file"], c["name"], None if c["passed"] else f"{_why(c)}\n{c['file']}:{c['line']}")
        for c in body["cases"]
    ]
    if (wanted := body["coverage"].get("min")) is not None:
        seen = body["coverage"]["percent"]
        low = None if seen >= wanted else f"{seen:g} % of outcomes seen, at least {wanted:g} wanted"
        cases.append(JunitCase("coverage", "min-coverage", low))
    return junit("nhictl policy test", cases)
