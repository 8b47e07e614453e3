"""Every detection on logs that show it, and on logs that come as near as they can and do not."""

from __future__ import annotations

from typing import Any

import pytest

from nhictl.core.replay.detect.registry import BY_ID, RULES
from tests.core.replay.detection_cases import CASES
from tests.core.replay.detection_plays import Case
from tests.core.replay.synthetic import Log

POSITIVE = [(rule, name, case) for rule, (found, _) in CASES.items() for name, case in found.items()]
NEGATIVE = [(rule, name, case) for rule, (_, none) in CASES.items() for name, case in none.items()]


def about(watch: Any, rule: str) -> list[dict[str, Any]]:
    return [one for one in watch.items() if one["id"] == rule]


@pytest.mark.parametrize(("rule", "name", "case"), POSITIVE, ids=[f"{rule}: {name}" for rule, name, _ in POSITIVE])
def test_what_shows_it_is_found(rule: str, name: str, case: Case) -> None:
    log = Log()
    case(log)
    found = about(log.watch(), rule)
    assert found, name
    assert all(one["records"] and one["message"] and one["controls"] and one["false_alarm"] for one in found)


@pytest.mark.parametrize(("rule", "name", "case"), NEGATIVE, ids=[f"{rule}: {name}" for rule, name, _ in NEGATIVE])
def test_what_comes_near_is_not(rule: str, name: str, case: Case) -> None:
    log = Log()
    case(log)
    assert about(log.watch(), rule) == [], name


def test_there_are_22_each_with_a_positive_and_a_near_miss() -> None:
    assert [rule.id for rule in RULES] == list(CASES)
    assert len(RULES) == 22
    assert all(found and none for found, none in CASES.values())
    assert all(len(rule.definition) > 40 and rule.controls and rule.false_alarm for rule in RULES)
    assert BY_ID["UNTRUSTED_ARG"].definition.count("TASK_DRIFT") == 1
