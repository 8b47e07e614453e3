"""Values that one program or another takes for something else, put to the samples' policy: a named error or a decision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_help import Program

SAMPLES = Path(__file__).parents[2] / "samples"
PAYMENTS = ("--policy", str(SAMPLES / "payments.policy.yaml"), "--registry", str(SAMPLES / "agents.yaml"))
PAID = {"amount": 1, "currency": "EUR", "iban": "x"}
PAY = {"tool": "pay.send", "args": PAID}
NO_JSON = [
    ("NaN", '{"amount": NaN}', "`NaN` is not JSON"),
    ("infinite", '{"amount": 1e999}', "number out of range"),
    ("5,000 digits", '{"amount": ' + "9" * 5000 + "}", "number has too many digits"),
    ("surrogate", '{"currency": "\\ud800"}', "lone surrogate"),
    ("twice", '{"amount": 1, "amount": 2}', "duplicate"),
]
DENIED: list[tuple[str, dict[str, Any], str]] = [
    ("41 digits", {"args": {**PAID, "amount": 10**40}}, "`args.amount` has more than 40 digits"),
    ("text for a number", {"args": {**PAID, "amount": "1"}}, "`args.amount` is not a number"),
    ("control character", {"args": {**PAID, "iban": "x\x1b[2J"}}, "`args.iban` holds a control character"),
    ("not NFC", {"args": {**PAID, "iban": "e\u0301"}}, "`args.iban` is not in Unicode normal form NFC"),
    *(
        (f"resource {resource}", {"tool": "crm.read", "args": {"query": "x"}, "resource": resource}, f"`resource` {why}")
        for resource, why in (
            ("s3://crm/../board", "holds a `..` segment"), ("s3://crm/%2e%2e/board", "holds a percent-encoding"),
            ("s3://crm/%2E%2e%2Fboard", "holds a percent-encoding"), ("s3://crm//x", "holds an empty path segment"),
            ("s3://crm\\..\\board", "holds a backslash"),
        )
    ),
    *(
        (f"key {key}", {"tool": "invoice.fetch", "args": {"bucket": "invoices", "key": key}}, f"`resource` {why}")
        for key, why in (
            ("../x", "holds a `..` segment"), ("%2e%2e/x", "holds a percent-encoding"), ("x?y", "cannot be derived"),
        )
    ),
    ("bucket", {"tool": "invoice.fetch", "args": {"bucket": "invoices/..", "key": "x"}}, "holds a separator"),
]  # fmt: skip


def asked(tmp_path: Path, text: str) -> Any:
    (tmp_path / "r.json").write_text(text, encoding="utf-8")
    return Program(tmp_path)("policy", "check", "--request", "r.json", *PAYMENTS)


def request(**parts: Any) -> dict[str, Any]:
    return {"agent": "invoice-bot", "intent": "pay-invoice", **PAY, **parts}


def test_the_control_is_allowed(tmp_path: Path) -> None:
    done = asked(tmp_path, json.dumps(request()))
    assert (done.code, done.out.splitlines()[0]) == (0, "would allow: permitted by AP-001")


@pytest.mark.parametrize(("args", "why"), [row[1:] for row in NO_JSON], ids=[row[0] for row in NO_JSON])
def test_what_is_no_json_is_an_error_with_its_name(args: str, why: str, tmp_path: Path) -> None:
    done = asked(tmp_path, json.dumps(request(args="HERE")).replace('"HERE"', args))
    assert (done.code, done.out) == (2, "")
    assert why in done.err


@pytest.mark.parametrize(("parts", "why"), [row[1:] for row in DENIED], ids=[row[0] for row in DENIED])
def test_what_could_mean_two_things_is_denied_with_its_field(parts: dict[str, Any], why: str, tmp_path: Path) -> None:
    done = asked(tmp_path, json.dumps(request(**parts)))
    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("would deny: invalid_request: ")
    assert why in done.out
