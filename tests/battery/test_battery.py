"""Every attack is called by its name and place by everybody who can see it; no honest history alarms anybody."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.battery.attacks import ATTACKS
from tests.battery.histories import HISTORIES, HONEST, verdicts
from tests.battery.stage import SIZE, VIEWS, Stage, look, staged, told, whole
from tests.core.ledger.exported_log import new_house


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return staged(tmp_path_factory.mktemp("stage"))


def test_the_log_itself(stage: Stage) -> None:
    assert [told(look(whole(stage.log), view, stage.log)) for view in VIEWS] == [
        ("UNKNOWN_KEY", "unknown_key", None), ("VERIFIED_UNANCHORED", None, None), ("VERIFIED", None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(stage: Stage, name: str) -> None:
    attack = ATTACKS[name]
    data = attack.make(stage)
    assert ATTACKS[name].row == "lie" or data != whole(stage.log)
    for view in VIEWS:
        found = look(data, view, stage.log)
        assert told(found) == attack.says(view), (view, found.message)
        if view == "witness" and attack.row != "lie":
            assert found.exit == 1
        if view == "pinned" and attack.row in ("edit", "relink"):
            assert found.exit == 1


def test_there_are_enough_and_each_is_another() -> None:
    assert len(ATTACKS) >= 40
    assert len(HISTORIES) >= 15
    assert {attack.row for attack in ATTACKS.values()} == {"edit", "relink", "holder", "lie"}


@pytest.mark.parametrize("name", HISTORIES)
def test_honest(tmp_path: Path, name: str) -> None:
    house = new_house(tmp_path / "home")
    HISTORIES[name](house)
    assert verdicts(house) == HONEST
    house.close()


def test_the_size_is_what_the_rows_count_with(stage: Stage) -> None:
    assert len(stage.log.lines) == len(stage.other.lines) == SIZE
    assert not re.search("theirs", stage.log.lines[0].decode())
