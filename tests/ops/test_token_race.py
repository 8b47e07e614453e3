"""Many processes: no check begun after a revocation returned says valid, and a use is taken once."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from nhictl.ops.change_agent import change
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.revoke_token import Selector, revoke
from tests.harness import ROOT
from tests.ops.token_home import AUDIENCE, Authority, add_agent, add_task, add_token, records
from tests.ops.token_worker import AFTER, BEFORE, BOARD, CURRENT, ENDED, GO, PATIENCE_S, READY, WORKERS, board

VERIFIERS: Final = 8
ROUNDS: Final = 200
Ending = Callable[[House, str, str, Any], object]

ENDINGS: Final[list[tuple[str, bool, Ending]]] = [
    ("token_revoked", False, lambda house, _, __, token: revoke(house, Selector(jti=token.jti), None)),
    ("token_revoked", False, lambda house, _, __, token: revoke(house, Selector(token=token.token.encode()), None)),
    ("token_revoked", False, lambda house, task, _, __: revoke(house, Selector(task=task), None)),
    ("token_revoked", True, lambda house, _, agent, __: revoke(house, Selector(agent=agent), None)),
    ("task_killed", False, lambda house, task, _, __: end_task(house, task, "killed", None)),
    ("task_closed", False, lambda house, task, _, __: end_task(house, task, "closed", None)),
    ("agent_suspended", True, lambda house, _, agent, __: change(house, agent, "suspend", None)),
    ("agent_retired", True, lambda house, _, agent, __: change(house, agent, "retire", None)),
]
"""What a verifier says afterwards, whether the agent must be the token's own, and how it ends."""


class Crew:
    """Worker processes and the board they share."""

    def __init__(self, folder: Path, count: int, order: dict[str, Any]) -> None:
        path = folder / "board"
        path.write_bytes(bytes(BOARD * 4))
        self.numbers = board(path)
        self.count = count
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        worker = Path(__file__).with_name("token_worker.py")
        self.processes = [
            subprocess.Popen(
                [sys.executable, worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
            for _ in range(count)
        ]
        for me, process in enumerate(self.processes):
            assert process.stdin is not None
            process.stdin.write(json.dumps(order | {"me": me, "board": str(path)}))
            process.stdin.close()

    def wait(self, where: int, least: int) -> None:
        """Wait until every worker's number there is at least so much."""
        until = time.monotonic() + PATIENCE_S
        while any(self.numbers[where + me] < least for me in range(self.count)):
            assert time.monotonic() < until, "the workers do not answer"
            assert all(process.poll() is None for process in self.processes), "a worker died"
            time.sleep(0.0005)

    def answers(self) -> list[Any]:
        """What every worker says in the end."""
        found = []
        for process in self.processes:
            assert process.stdout is not None
            found.append(json.loads(process.stdout.read()))
            assert process.wait(PATIENCE_S) == 0
        return found


@contextlib.contextmanager
def crew(folder: Path, count: int, order: dict[str, Any]) -> Iterator[Crew]:
    """Workers, all of which are ready and none of which outlives the test."""
    made = Crew(folder, count, order)
    try:
        made.wait(READY, 1)
        made.numbers[GO] = 1
        yield made
    finally:
        for process in made.processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_no_window_after_a_revocation(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "home")
    house, rounds = authority.house, []
    for number in range(ROUNDS):
        _, own_agent, _ = ENDINGS[number % len(ENDINGS)]
        agent = f"bot-{number}" if own_agent else "report-bot"
        if own_agent:
            add_agent(house, agent)
        task = add_task(house, agent)
        rounds.append((task, agent, add_token(house, task)))
    order = {
        "what": "verify", "home": str(house.home), "now_us": authority.clock.now_us, "audience": AUDIENCE,
        "tokens": [token.token for *_, token in rounds],
    }  # fmt: skip
    with crew(tmp_path, VERIFIERS, order) as verifiers:
        for number, (task, agent, token) in enumerate(rounds):
            verifiers.numbers[CURRENT] = number
            verifiers.wait(BEFORE, number + 1)  # everybody has had the good answer
            ENDINGS[number % len(ENDINGS)][2](house, task, agent, token)
            verifiers.numbers[ENDED] = number + 1
            verifiers.wait(AFTER, number + 1)
        verifiers.numbers[CURRENT] = ROUNDS
        answers = verifiers.answers()
    house.close()
    found = {(at, ended, reason) for answer in answers for at, ended, reason in answer}
    for number in range(ROUNDS):
        wanted = ENDINGS[number % len(ENDINGS)][0]
        assert {reason for at, ended, reason in found if at == number and ended} == {wanted}, number
        early = {reason for at, ended, reason in found if at == number and not ended}
        assert "valid" in early <= {"valid", wanted}, number


def test_a_use_is_taken_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "home")
    house, uses, tries = authority.house, 10, 4
    token = add_token(house, authority.task, uses=uses)
    before = len(records(house))
    order = {
        "what": "consume", "home": str(house.home), "now_us": authority.clock.now_us, "audience": AUDIENCE,
        "tokens": [token.token], "tries": tries, "tool": "reports.count",
    }  # fmt: skip
    refused = WORKERS * tries - uses
    with crew(tmp_path, WORKERS, order) as consumers:
        said = Counter(reason for answer in consumers.answers() for reason in answer)
    assert said == {"valid": uses, "uses_exhausted": refused}
    kinds = Counter((entry["type"], entry["dec"]["effect"]) for entry in records(house)[before:])
    assert kinds == {("token.used", "allow"): uses, ("token.denied", "deny"): refused}, "one record each"
    assert house.db.execute("SELECT uses FROM token WHERE uses IS NOT NULL").fetchone() == (0,)
    calls = house.db.execute("SELECT calls FROM task WHERE name = ?", (authority.task,)).fetchone()
    assert calls == (uses,), "what was refused is no call"
    house.close()
