"""Ten thousand ordinary tasks, and how often each detection cries."""

from __future__ import annotations

import sys
from collections import Counter

from nhictl.core.replay.detect.registry import BY_ID
from nhictl.core.replay.detect.run import Watch
from tests.core.replay.ordinary import ordinary
from tests.core.replay.synthetic import POLICY

TASKS = 10_000


def test_ordinary_tasks_alarm_nobody_where_no_policy_is_needed() -> None:
    watch = Watch(lambda digest: POLICY if digest == POLICY.digest else None)
    watch.take_all(ordinary(TASKS))
    counts = Counter(one["id"] for one in watch.items())
    rates = {name: f"{counts[name]} in {TASKS} tasks" for name, rule in BY_ID.items() if rule.needs_policy}
    sys.stdout.write("".join(f"{name}: {rate}\n" for name, rate in rates.items()))
    assert {name: count for name, count in counts.items() if not BY_ID[name].needs_policy} == {}
    assert {name for name, count in counts.items()} <= {"EXCESS_GRANT"}  # that something stays unused is ordinary
    assert watch.steps > 5 * TASKS
