"""`python -m tests.battery`: print every attack with what is said of it, and every honest history; 1 if one is not as said."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.battery import pruned
from tests.battery import scene as scenes
from tests.battery.attacks import ATTACKS
from tests.battery.histories import HISTORIES, HONEST, lived, verdicts
from tests.battery.stage import VIEWS, look, staged, told


def attacks(folder: Path) -> bool:
    """A line an attack: the row it stands in, and the verdict of each view."""
    stage = staged(folder)
    good = True
    print(f"{'row':7} {'attack':56} {'as said':8} nobody | key pinned | witness")
    for name, attack in ATTACKS.items():
        data = attack.make(stage)
        found = [told(look(data, view, stage.log)) for view in VIEWS]
        held = found == [attack.says(view) for view in VIEWS]
        good &= held
        parts = [" ".join(str(part) for part in each if part is not None) for each in found]
        shown = parts[0] if len(set(parts)) == 1 else " | ".join(parts)
        print(f"{attack.row:7} {name:56} {'yes' if held else 'NO':8} {shown}")
    rows = Counter(attack.row for attack in ATTACKS.values())
    print(f"{len(ATTACKS)} attacks: {', '.join(f'{row} {count}' for row, count in rows.items())}\n")
    return good


def on_homes(folder: Path) -> bool:
    """The same for attacks on a home that was erased from and cut."""
    scene = scenes.staged(folder / "scene")
    good = True
    print(f"{'row':7} {'attack on a home':64} {'as said':8} {' | '.join(scenes.VIEWS)}")
    for name, attack in pruned.ATTACKS.items():
        with scenes.copied(scene, folder / "copy") as copy:
            attack.damage(copy)
            found = scenes.look(copy)
        held = tuple(found) == attack.expected
        good &= held
        parts = [" ".join(str(part) for part in each if part is not None) for each in found]
        shown = parts[0] if len(set(parts)) == 1 else " | ".join(parts)
        print(f"{attack.row:7} {name:64} {'yes' if held else 'NO':8} {shown}")
    print(f"{len(pruned.ATTACKS)} attacks on a home\n")
    return good


def histories(folder: Path) -> bool:
    """A line a history: whether anybody was alarmed."""
    good = True
    for number, name in enumerate(HISTORIES):
        (folder / f"history-{number}").mkdir()
        house = lived(name, folder / f"history-{number}")
        found = verdicts(house)
        wrong = {view: verdict for view, verdict in found.items() if verdict != HONEST[view]}
        good &= not wrong
        print(f"{'honest':7} {name:56} {'yes' if not wrong else 'NO':8} {wrong or ''}".rstrip())
        house.close()
    print(f"{len(HISTORIES)} honest histories, each looked at {len(HONEST)} ways")
    return good


def main() -> int:
    """Run all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        held = [attacks(folder), on_homes(folder), histories(folder)]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
