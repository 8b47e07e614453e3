"""Which CI runs' cut-offs cover a copy that CI's variables named: the fold has to say what the tables' query says."""

from __future__ import annotations

import sqlite3

import pytest

from nhictl.core.replay.authority.fold import _claimed_runs

INSTANCES = [
    "claimed.github.77.1.job", "claimed.github.77.2.a.b", "claimed.github.7.1.job", "claimed.github.77", "claimed.github.",
    "claimed.gitlab.77", "claimed.gitlab.77.1", "claimed.gitlab.", "host.77.1", "verified.github.77.1.job", "",
]  # fmt: skip
RUNS = ["77", "7", "77.1", "77.1.job", "77.2.a", "1", ""]
QUERY = "SELECT ?1 = 'claimed.gitlab.' || ?2 OR substr(?1, 1, length(?2) + 16) = 'claimed.github.' || ?2 || '.'"
"""As in `store/cuts.py`."""


@pytest.mark.parametrize("inst", INSTANCES)
def test_as_the_query_says(inst: str) -> None:
    db = sqlite3.connect(":memory:")
    wanted = {run for run in RUNS if db.execute(QUERY, (inst, run)).fetchone()[0] and run}
    db.close()
    assert {run for run in _claimed_runs(inst) if run} & set(RUNS) == wanted
