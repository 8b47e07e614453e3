"""The samples say what their comments promise: a table of calls with the reason and the rules that decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.instant import parse_instant
from nhictl.core.policy.registry import Registry, parse_agents
from nhictl.core.policy.request import Request

SAMPLES = Path(__file__).parents[3] / "samples"
MONDAY, EVENING = "2026-11-23T10:00:00Z", "2026-11-23T18:00:00Z"
PAY = {"amount": 499.99, "currency": "EUR", "iban": "DE1"}
MAIL = {"to": ["a@corp.example"], "subject": "s", "body": "b"}

CASES: list[tuple[str, str, dict[str, Any], dict[str, Any], str, list[str]]] = [
    ("invoice-bot", "pay.send", PAY, {"intent": "pay-invoice"}, "permitted", ["AP-001"]),
    ("invoice-bot", "pay.send", {**PAY, "amount": 500.01}, {"intent": "pay-invoice"}, "not_permitted", []),
    ("invoice-bot", "pay.send", {**PAY, "amount": -1}, {"intent": "pay-invoice"}, "not_permitted", []),
    ("invoice-bot", "pay.send", {**PAY, "currency": "USD"}, {"intent": "pay-invoice"}, "not_permitted", []),
    ("invoice-bot", "pay.send", {**PAY, "amount": "499"}, {"intent": "pay-invoice"}, "invalid_request", []),
    ("invoice-bot", "pay.send", PAY, {}, "not_permitted", []),
    ("invoice-bot", "pay.send", PAY, {"intent": "pay-invoice", "at": EVENING}, "permitted", ["AP-001"]),
    ("invoice-bot", "pay.send", PAY, {"intent": "pay-invoice", "task": {"delegation_depth": 3}}, "forbidden", ["SEC-900"]),
    ("support-bot", "pay.send", PAY, {"intent": "pay-invoice"}, "forbidden", ["SEC-900"]),
    ("spiffe://corp.example/agent/invoice-bot", "pay.status", {"payment_id": "7"}, {}, "permitted", ["AP-002"]),
    ("support-bot", "pay.status", {"payment_id": "7"}, {}, "not_permitted", []),
    ("invoice-bot", "invoice.fetch", {"bucket": "invoices", "key": "2026/7.pdf"}, {}, "permitted", ["AP-003"]),
    ("invoice-bot", "invoice.fetch", {"bucket": "invoices-old", "key": "7.pdf"}, {}, "not_permitted", []),
    ("invoice-bot", "invoice.fetch", {"bucket": "invoices", "key": "../crm/x"}, {}, "invalid_request", []),
    ("invoice-bot", "invoice.fetch", {"bucket": "invoices/x", "key": "y"}, {}, "invalid_request", []),
    ("invoice-bot", "invoice.fetch", {"bucket": "invoices", "key": "a"}, {"resource": "s3://crm/a"}, "invalid_request", []),
    ("support-bot", "crm.read", {"query": "q"}, {"resource": "s3://crm/a"}, "permitted", ["CRM-001"]),
    ("support-bot", "crm.read", {"query": "q"}, {"resource": "s3://crm/board/a"}, "not_permitted", []),
    ("support-bot", "crm.read", {"query": "q"}, {"resource": "s3://crm-evil/a"}, "not_permitted", []),
    ("intern-bot", "mail.send", MAIL, {}, "permitted", ["MAIL-001"]),
    ("intern-bot", "mail.send", MAIL, {"at": EVENING}, "not_permitted", []),
    ("intern-bot", "mail.send", {**MAIL, "to": ["a@corp.example", "x@evil.example"]}, {}, "not_permitted", []),
    ("intern-bot", "mail.send", {**MAIL, "to": []}, {}, "not_permitted", []),
    ("intern-bot", "mail.send", {**MAIL, "attachments": ["/tmp/a", "/etc/shadow"]}, {}, "forbidden", ["SEC-901"]),
    ("intern-bot", "mail.send", {**MAIL, "attachments": ["/tmp/a"]}, {}, "permitted", ["MAIL-001"]),
    ("deploy-bot", "vault.read", {"path": "p"},
    {"resource": "vault://staging/db", "token": {"ttl_s": 900}}, "permitted", ["VAULT-001"]),
    ("deploy-bot", "vault.read", {"path": "p"}, {"resource": "vault://staging/db"}, "not_permitted", []),
    ("deploy-bot", "vault.read", {"path": "p"}, {"resource": "vault://prod/db", "token": {"ttl_s": 9}}, "not_permitted", []),
    ("intern-bot", "vault.read", {"path": "p"}, {"resource": "vault://staging/db"}, "forbidden", ["SEC-900"]),
    ("nobody", "pay.status", {"payment_id": "7"}, {}, "invalid_request", []),
    ("invoice-bot", "shell.exec", {}, {}, "invalid_request", []),
]  # fmt: skip


@pytest.fixture(scope="module")
def policy() -> Policy:
    return parse_policy([("payments.policy.yaml", (SAMPLES / "payments.policy.yaml").read_bytes())])


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(parse_agents("agents.yaml", (SAMPLES / "agents.yaml").read_bytes()))


@pytest.mark.parametrize(("agent", "tool", "args", "parts", "reason", "rules"), CASES)
def test_decision(
    policy: Policy, registry: Registry, agent: str, tool: str, args: Any, parts: Any, reason: str, rules: Any
) -> None:
    parts = dict(parts)
    now_us = parse_instant(parts.pop("at", MONDAY))
    for form in (policy, Policy.from_json(policy.to_json())):
        made = decide(form, registry.find(agent), Request(agent, tool, args, now_us=now_us, **parts))
        assert (made.reason, made.rules) == (reason, rules), made.to_json()
        assert made.allowed is (reason == "permitted")


def test_the_registry_of_the_sample(registry: Registry) -> None:
    found = registry.find("invoice-bot")
    assert found is registry.find("spiffe://corp.example/agent/invoice-bot")
    assert found is not None
    assert found.expires_us == parse_instant("2027-06-30T00:00:00Z")
    intern = registry.find("intern-bot")
    assert intern is not None
    assert (intern.trust, intern.env, intern.attested, intern.groups) == (0, None, False, ())
    assert registry.find("nobody") is None
