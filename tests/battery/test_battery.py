"""Every attack is called by its name and place by everybody who can see it; no honest history alarms anybody."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nhictl.ops.audit_log import verify_home
from tests.battery import pruned
from tests.battery.attacks import ATTACKS
from tests.battery.histories import HISTORIES, HONEST, lived, verdicts
from tests.battery.scene import Scene, copied
from tests.battery.scene import look as looked
from tests.battery.scene import staged as scene_of
from tests.battery.stage import SIZE, VIEWS, Stage, look, staged, told, whole


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


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return scene_of(tmp_path_factory.mktemp("scene"))


def test_the_home_itself(scene: Scene, tmp_path: Path) -> None:
    with copied(scene, tmp_path / "copy") as copy:
        assert looked(copy) == [pruned.FINE, pruned.FINE, pruned.SEEN, pruned.FINE]


@pytest.mark.parametrize("name", pruned.ATTACKS)
def test_attack_on_a_home(scene: Scene, tmp_path: Path, name: str) -> None:
    attack = pruned.ATTACKS[name]
    with copied(scene, tmp_path / "copy") as copy:
        before = [(path.name, path.read_bytes()) for path in sorted(copy.folder.glob("*.jsonl"))]
        attack.damage(copy)
        assert tuple(looked(copy)) == attack.expected
        files = [(path.name, path.read_bytes()) for path in sorted(copy.folder.glob("*.jsonl"))]
        if before != files and attack.row == "edit" and attack.expected[1] in (pruned.FINE, pruned.SEEN):
            parts = sorted(copy.folder.glob("*.jsonl"))
            unproven = verify_home(copy.house, (), None, parts).unproven
            assert any("only their hashes are here" in text for text in unproven), "a line that is missing is said"


def test_there_are_enough_and_each_is_another() -> None:
    assert len(ATTACKS) >= 40
    assert len(HISTORIES) >= 15
    assert {attack.row for attack in ATTACKS.values()} == {"edit", "relink", "holder", "lie"}


@pytest.mark.parametrize("name", HISTORIES)
def test_honest(tmp_path: Path, name: str) -> None:
    house = lived(name, tmp_path)
    assert verdicts(house) == HONEST
    house.close()


def test_the_size_is_what_the_rows_count_with(stage: Stage) -> None:
    assert len(stage.log.lines) == len(stage.other.lines) == SIZE
    assert not re.search("theirs", stage.log.lines[0].decode())
