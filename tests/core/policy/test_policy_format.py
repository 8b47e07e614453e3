"""The number of the compiled form: a version that would not see a part of a policy refuses the whole."""

from __future__ import annotations

from typing import Any

import pytest

from nhictl.core.policy.compiled import Policy
from tests.core.policy.policy_help import ask, make_policy

TOOLS: dict[str, Any] = {"t": {"args": {}}}
CLASSES = {"c": {"tools": ["t"], "impact": "low"}}
LIMITS = [{"id": "L", "per": "all", "calls": 3}]
ASSERTED = [{"never": {"agents": ["x"]}}]


@pytest.mark.parametrize(
    ("parts", "number"),
    [
        ({}, 1),
        ({"classes": CLASSES}, 2),
        ({"limits": LIMITS}, 3),
        ({"openers": [{"uid": [7]}]}, 3),
        ({"approvers": [{"name": "a", "uid": [7], "acts": ["redact"]}]}, 3),
        ({"assertions": ASSERTED}, 4),
        ({"tools": {"t": {"args": {}, "digest": "sha256:" + "0" * 64}}}, 4),
        ({"classes": CLASSES, "limits": LIMITS, "assertions": ASSERTED}, 4),
    ],
)
def test_parts_that_decide_have_a_number(parts: dict[str, Any], number: int) -> None:
    policy = make_policy([{}], **{"tools": TOOLS, **parts})
    assert policy.form["nhictl_compiled_policy"] == number
    assert Policy.from_json(policy.to_json()).digest == policy.digest


def test_a_later_number_is_refused() -> None:
    data = (
        make_policy([{}], tools=TOOLS).to_json().replace(b'"nhictl_compiled_policy":1', b'"nhictl_compiled_policy":5')
    )
    with pytest.raises(ValueError, match="not a compiled policy of this version"):
        Policy.from_json(data)


def test_null_is_absent_for_what_is_declared_and_no_way_round_what_is_not() -> None:
    policy = make_policy([{"match": {"tools": ["pay.send"]}}])
    assert ask(policy, args={"memo": None}).allowed
    assert ask(policy, args={"strange": None}).field == "args.strange"
    assert ask(policy, args={"amount": None}).field == "args.amount"
