"""Revocations among processes that issue: the number of the record draws the line, and the counts are exact."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from nhictl.errors import NotFoundError
from nhictl.ops import standing, tokens
from nhictl.ops.audit_log import verify_home
from nhictl.ops.house import DATABASE, House
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.verify_token import verify
from nhictl.store import agents as agent_table
from nhictl.store import cuts
from nhictl.store.cuts import Cut
from tests.harness import ROOT
from tests.ops.token_home import AUDIENCE, Authority, add_task, question, records

ISSUERS = 3
WORKER = """
import json, sys
from pathlib import Path
from nhictl.ops.house import DATABASE, House
from nhictl.ops.issue_token import issue_token
home, task, audience, now = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
house = House(home, home / DATABASE, clock=lambda: now)
house.lock_timeout = 60
for _ in range(150):
    made, head = issue_token(house, task, audience, ttl_s=300)
    print(json.dumps([made.token, made.jti, head.size - 1]), flush=True)
"""


def stands(house: House, selector: Selector) -> bool:
    """Whether there is a token to end."""
    try:
        return revoke(house, selector, None, dry_run=True)[0].total > 0
    except NotFoundError:
        return False


def test_a_record_draws_the_line(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "home")
    house, now = authority.house, authority.clock.now_us
    house.lock_timeout = 60
    names = [add_task(house, "report-bot", max_tokens=most) for most in (200, 200, 5000)]
    argv = [[sys.executable, "-c", WORKER, str(house.home), name, AUDIENCE, str(now)] for name in names]
    said = [tmp_path / f"said-{number}" for number in range(ISSUERS)]
    crowd = []
    for args, path in zip(argv, said, strict=True):
        with path.open("wb") as out:
            crowd.append(subprocess.Popen(args, stdout=out, cwd=ROOT))
    before = len(records(house))
    cut = []
    for selector in (
        Selector(agent="report-bot"), Selector(task=names[2]), Selector(instance="one", agent="report-bot"),
        Selector(agent="report-bot"), Selector(task=names[0]),
    ):  # fmt: skip
        until = time.monotonic() + 60
        size = len(records(house))
        while len(records(house)) < size + 12 or not stands(house, selector):
            assert time.monotonic() < until
            if all(each.poll() is not None for each in crowd):
                break
        if not stands(house, selector):
            continue  # the issuers were done before: there is nothing left to draw a line through
        found, head = revoke(house, selector, None)
        assert head is not None
        cut.append((head.size - 1, selector, found))
    assert [each.wait(60) for each in crowd] == [0] * ISSUERS
    told = zip(said, names, strict=True)
    made = [(*json.loads(line), name) for path, name in told for line in path.read_bytes().splitlines()]
    assert len(cut) >= 2
    assert len(made) == ISSUERS * 150
    assert len(records(house)) == before + len(made) + len(cut)
    made += [(authority.token.token, authority.token.jti, 0, authority.task)]
    made += [(authority.other_token.token, authority.other_token.jti, 0, authority.task)]
    left = set(made)
    for seq, selector, found in cut:
        hit = {token for token in left if token[2] < seq and selector.task in (None, token[3])}
        assert found.total == len(hit) == records(house)[seq]["ext"]["count"]
        assert {row["jti"] for row in tokens.revoked_by(house, seq, task=None, agent=None)} == {t[1] for t in hit}
        left -= hit
    for token in made:
        wanted = "valid" if token in left else "token_revoked"
        assert verify(house, question(token[0], tool=None, args=None, resource=None)).reason == wanted
    row = agent_table.by_name(house.db, "report-bot")
    assert row is not None
    counted = sum(each.tokens for each in cuts.covered(house.db, Cut("agent", row.id), now))
    assert standing.count(house, Cut("agent", row.id), now) == (len(left), len(left)) == (counted, counted)
    assert verify_home(house, ()).exit == 0
    other = House(house.home, house.home / DATABASE, clock=authority.clock)
    assert {t["jti"] for t in tokens.everything(other, task=None, agent="report-bot", live=True)} == {
        t[1] for t in left
    }
    other.close()
    house.close()
