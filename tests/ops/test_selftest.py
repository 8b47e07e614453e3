"""`selftest --negative` finds a product that lets something through, and leaves the live home as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nhictl.cli.main import main
from nhictl.ops.house import DATABASE, House
from nhictl.ops.selftest import Check, negative
from tests.ops.agent_house import Agents


def failed(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if not check.passed}


def test_everything_is_refused_for_the_right_reason_and_controls_pass() -> None:
    checks = negative(None)
    assert failed(checks) == set()
    assert len(checks) == len({(check.area, check.name) for check in checks}) > 80
    assert sum(check.name.startswith("control") for check in checks) >= 8


def test_the_live_home_is_asked_and_not_changed(tmp_path: Path) -> None:
    home = Agents(tmp_path)
    home.add()
    house = home.house

    def content() -> list[Any]:
        tables = ("log", "agent", "task", "token", "head")
        return [row for table in tables for row in house.db.execute(f"SELECT * FROM {table}")]

    before = content()
    checks = negative(house)
    assert failed(checks) == set()
    assert sum(check.area == "live home" for check in checks) == 5
    assert content() == before


class Open:
    """Gates that nothing shuts."""

    guardrails: tuple[str, ...] = ()
    shut: tuple[str, ...] = ()


def nothing(*_: Any, **__: Any) -> None:
    """A check that refuses nothing."""


SABOTAGE: list[tuple[str, Any, str]] = [
    ("nhictl.core.token.jws.verify", lambda *_: True, "another's signature"),
    ("nhictl.core.token.claims.check_times", nothing, "long expired"),
    ("nhictl.core.token.claims.check_audience", nothing, "another audience"),
    ("nhictl.core.token.claims.check_types", nothing, "no end"),
    ("nhictl.core.token.compact.check_header", nothing, "crit"),
    ("nhictl.core.token.state.check_status", nothing, "a revoked token"),
    ("nhictl.core.token.state.check_task", nothing, "a killed task's token"),
    ("nhictl.core.token.state.check_subject", nothing, "a suspended agent's token"),
    ("nhictl.ops.record_check.count", lambda _act, _asked, verdict, _seen: verdict, "a use too many"),
    ("nhictl.ops.policies.outside", nothing, "an argument beyond the scope"),
    ("nhictl.core.policy.limits.weigh", lambda *_: ([], []), "a call beyond a limit"),
    ("nhictl.ops.limits.reserve", nothing, "money beyond a limit"),
    ("nhictl.core.policy.decide._drift", nothing, "a tool whose description changed"),
    ("nhictl.core.identity.approver_key.verify", lambda *_: True, "an approval by a key of nobody's"),
    ("nhictl.core.policy.gates.pass_gates", lambda *_: Open(), "a high-impact call without approval"),
]


@pytest.mark.parametrize(("where", "what", "name"), SABOTAGE, ids=[row[2] for row in SABOTAGE])
def test_a_product_that_lets_something_through_is_found(
    where: str, what: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, what)
    try:
        found = failed(negative(None))
    except Exception:  # noqa: BLE001  # a product as broken as that is found as well, by exit 70
        return
    assert name in found or f"{name}, live" in found


def test_as_it_is_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--home", str(tmp_path / "none")]) == 2
    assert "--negative" in capsys.readouterr().err
    assert main(["selftest", "--negative", "--home", str(tmp_path / "none"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["failed"], said["live_home"]) == ("nhictl.selftest/v1", 0, False)
    assert not (tmp_path / "none").exists()


def test_a_failure_is_exit_1_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nhictl.core.token.claims.check_audience", nothing)
    assert main(["selftest", "--negative", "--home", str(tmp_path / "none")]) == 1
    out = capsys.readouterr().out
    assert "FAILED token: another audience: expected aud_mismatch, got" in out
    assert House(tmp_path / "none", tmp_path / "none" / DATABASE).exists() is False
