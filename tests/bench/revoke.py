"""A million tokens ended by one cut-off against a durable commit, and a thousand revocations under eight verifiers."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from nhictl.ops import revoke_token
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.revoke_token import Revoked, Selector, revoke
from tests.bench.measure import Row, at_most, timed
from tests.bench.store import AUDIENCE, bare, new_house
from tests.cli.revoke_window import windows

MILLION = 1_000_000


def fill(house: House, task: str, count: int) -> None:
    """So many tokens of one task, as if issued within five minutes; rows like those of one that was really issued."""
    issue_token(house, task, AUDIENCE, ttl_s=3600)
    db = house.db
    known = db.execute("SELECT task, instance, key, seq, issued, digest, audience FROM token").fetchone()
    ident, instance, key, seq, issued, digest, audience = known

    def rows() -> Iterator[tuple[object, ...]]:
        for number in range(count - 1):
            yield os.urandom(16), ident, instance, key, seq, issued, issued + 3000 + number % 300, digest, audience

    db.execute("BEGIN IMMEDIATE")
    columns = "jti, task, instance, key, seq, issued, expires, digest, audience"
    db.executemany(f"INSERT INTO token ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows())
    db.execute("DELETE FROM tally")
    for owner in ("k.agent", "-k.task"):
        db.execute(
            f"INSERT INTO tally SELECT {owner}, 0, min((t.expires + 30) * 1000000, k.deadline), count(*)"
            " FROM token t JOIN open_task k ON k.task = t.task GROUP BY 3"
        )
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def million(folder: Path, rounds: int) -> list[Row]:
    """Kill all tokens of one agent, or of one task, with the count in the record; then with the first thousand listed."""
    house, task = new_house(folder / "million")
    fill(house, task, MILLION)
    commit = bare(folder / "million")
    found = _kill(house, "agent", Selector(agent="bot"), commit, rounds)
    found += _kill(house, "task", Selector(task=task), commit, rounds)
    house.close()
    return found


def _kill(house: House, what: str, selector: Selector, commit: Callable[[], object], rounds: int) -> list[Row]:
    """How long until the end is durable, that is until the tokens are listed, and how long until the reply is whole."""
    durable, whole = [], []
    tallied = house.db.execute("SELECT * FROM tally").fetchall()
    for _ in range(rounds + 1):
        ended: list[Revoked] = []
        listing: list[float] = []
        with mock.patch.object(revoke_token, "_listed", _noticed(revoke_token._listed, listing)):
            began = time.perf_counter()
            ended.append(revoke(house, selector, "bench")[0])
            took = time.perf_counter() - began
        assert (ended[0].total, len(ended[0].tokens), len(listing)) == (MILLION, 1000, 1)
        floor = timed(commit)
        durable.append((listing[0] - began, floor))
        whole.append((took, floor))
        house.db.execute("BEGIN")  # and they stand again, for the next round
        for table in ("cutoff", "tally_since", "tally"):
            house.db.execute(f"DELETE FROM {table}")
        house.db.executemany("INSERT INTO tally VALUES (?, ?, ?, ?)", tallied)
        house.db.execute("COMMIT")
        house.db.execute("PRAGMA wal_checkpoint(PASSIVE)")
    row = at_most(f"kill a million tokens of one {what}", _middle(durable[1:]), 3)
    told = at_most("… and list the first thousand", _middle(whole[1:]), 3)._replace(budget="–", met=None)
    return [row if what == "agent" else row._replace(budget="–", met=None), told]


def _middle(times: list[tuple[float, float]]) -> tuple[float, float, float]:
    ours, floor, ratio = zip(*((a, b, a / b) for a, b in times), strict=True)
    return statistics.median(ours), statistics.median(floor), statistics.median(ratio)


def _noticed(work: Callable[..., Revoked], when: list[float]) -> Callable[..., Revoked]:
    """The same, noting when it is called."""

    def noted(*values: object) -> Revoked:
        when.append(time.perf_counter())
        return work(*values)

    return noted


def wide(folder: Path) -> list[Row]:
    """Cut-offs across agents and tasks look at every token they may cover: how long that takes, for a million."""
    house, task = new_house(folder / "wide")
    fill(house, task, MILLION)
    kid = house.db.execute("SELECT kid FROM signing_key WHERE use = 'token'").fetchone()[0]
    now = house.clock()
    ways = {
        "instance": Selector(instance=house.db.execute("SELECT instance FROM token").fetchone()[0]),
        "kid": Selector(kid=kid), "issued": Selector(issued=(now - 600_000_000, now + 1_000_000)),
    }  # fmt: skip
    found = []
    for name, selector in ways.items():
        took = timed(lambda selector=selector: revoke(house, selector, None, dry_run=True))  # type: ignore[misc]
        found.append(Row(f"a million tokens by {name}, counted", f"{took * 1e3:.0f} ms", "–", "–", "–", None))
    house.close()
    return found


def window(folder: Path, rounds: int = 1000) -> Row:
    """Eight `token verify --batch -` processes and so many revocations in every way there is."""
    place = folder / "window"
    place.mkdir()
    said = windows(place, rounds)
    late = sum(count for (_, reason), count in said.items() if reason == "valid")
    what = f"{rounds} revocations, 8 verifiers: accepted afterwards"
    return Row(what, str(late), f"{sum(said.values())} rounds", "–", "0", late == 0)


def rows(folder: Path, rounds: int) -> list[Row]:
    """All of it."""
    return [*million(folder, rounds), *wide(folder), window(folder)]
