"""`python -m tests.battery`: print every attack with what is said of it, and every honest history; 1 if one is not as said."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.battery.attacks import ATTACKS
from tests.battery.histories import HISTORIES, HONEST, verdicts
from tests.battery.stage import VIEWS, look, staged, told
from tests.core.ledger.exported_log import new_house


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


def histories(folder: Path) -> bool:
    """A line a history: whether anybody was alarmed."""
    good = True
    for number, (name, lives) in enumerate(HISTORIES.items()):
        (folder / f"history-{number}").mkdir()
        house = new_house(folder / f"history-{number}" / "home")
        lives(house)
        found = verdicts(house)
        wrong = {view: verdict for view, verdict in found.items() if verdict != HONEST[view]}
        good &= not wrong
        print(f"{'honest':7} {name:56} {'yes' if not wrong else 'NO':8} {wrong or ''}".rstrip())
        house.close()
    print(f"{len(HISTORIES)} honest histories, each looked at {len(HONEST)} ways")
    return good


def main() -> int:
    """Run both."""
    with tempfile.TemporaryDirectory() as name:
        held = [attacks(Path(name)), histories(Path(name))]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
