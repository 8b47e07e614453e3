"""`nhictl policy export`: whole or not at all, with files alone and from a home."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.cli_help import POLICY, REGISTRY, Program, check_error

LISTS: dict[str, Any] = {
    "nhictl_policy": 1,
    "tools": {"mail.send": {"args": {"to": ["email"]}}},
    "rules": [{"id": "M", "effect": "permit", "when": {"args.to": {"glob": "*@corp.example"}}}],
}


def test_cedar_with_files_alone(program: Program) -> None:
    program.write("policy.yaml", POLICY)
    program.write("agents.yaml", REGISTRY)
    base = ("policy", "export", "--to", "cedar", "--policy", "policy.yaml", "--registry", "agents.yaml")
    done = program(*base)
    assert (done.code, done.err) == (0, "")
    assert '@id("R-1")' in done.out
    body = program.ok(*base)
    assert (body["schema"], body["refused"]) == ("nhictl.policy_export/v1", [])
    assert [one["uid"]["id"] for one in body["entities"]] == ["report-bot"]
    assert json.loads(program(*base, "--part", "schema").out) == body["cedar_schema"]
    assert json.loads(program(*base, "--part", "entities").out) == body["entities"]
    assert not program.home.exists()


def test_what_cannot_be_said_is_named_and_nothing_is_written(program: Program) -> None:
    program.write("lists.yaml", json.dumps(LISTS))
    done = program("policy", "export", "--to", "cedar", "--policy", "lists.yaml")
    assert (done.code, done.out) == (1, "")
    assert "rule M cannot be said in cedar" in done.err
    done = program("policy", "export", "--to", "cedar", "--policy", "lists.yaml", "--json")
    assert (done.code, [one["where"] for one in done.json["refused"]]) == (1, ["rule M"])
    assert "cedar" not in done.json


def test_authzen_shapes_are_requests(program: Program) -> None:
    program.write("lists.yaml", json.dumps(LISTS))
    assert json.loads(program("policy", "export", "--to", "authzen", "--policy", "lists.yaml").out) == [
        {
            "subject": {"type": "agent", "id": "string"}, "action": {"name": "mail.send", "properties": {"to": ["email"]}},
            "resource": {"type": "string", "id": "string"},
        }
    ]  # fmt: skip


def test_from_a_home(governed: Program, program: Program) -> None:
    assert '@id("R-1")' in governed("policy", "export", "--to", "cedar").out
    assert governed.ok("policy", "export", "--to", "cedar")["entities"][0]["uid"]["id"] == "report-bot"


@pytest.mark.parametrize("argv", [("--to", "rego"), ("--to", "cedar"), ("--to", "cedar", "--part", "x"), ()])
def test_misuse(program: Program, argv: tuple[str, ...]) -> None:
    done = program("policy", "export", *argv, "--json")
    assert (done.code, done.out) == (2, "")
    check_error(done.err)
