"""A process that issues tokens of both profiles as fast as it can, checks each here, and hands each to the consumer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from nhictl.ops.house import DATABASE, House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import verify
from tests.ops.key_board import CHECKED, CLOCK, ISSUED, PATIENCE_S, STOP, alone, board, nap

AHEAD = 3
"""How many tokens an issuer may be ahead of the consumer."""


def main() -> None:
    """Do what standard input says; what went wrong is the answer on standard output."""
    order: dict[str, Any] = json.load(sys.stdin)
    numbers, me, home = board(Path(order["board"])), order["me"], Path(order["home"])
    house = House(home, home / DATABASE, clock=lambda: numbers[CLOCK])
    house.lock_timeout = PATIENCE_S
    wrong: list[str] = []
    with Path(order["pipe"]).open("ab", buffering=0) as pipe:  # one write of less than PIPE_BUF bytes is never torn
        while not numbers[STOP] and not alone():
            kind = ("at+jwt", "jwt-svid")[numbers[ISSUED + me] % 2]
            token = issue_token(house, order["task"], order["audience"], kind=kind)[0].token
            verdict = verify(house, Question(token.encode(), order["audience"], kind=kind))
            if not verdict.valid:
                wrong.append(f"{kind}: {verdict.reason}")
            pipe.write(f"{me} {token}\n".encode())
            numbers[ISSUED + me] += 1
            while numbers[ISSUED + me] - numbers[CHECKED + me] > AHEAD and not numbers[STOP] and not alone():
                nap()
    house.close()
    json.dump(wrong, sys.stdout)


if __name__ == "__main__":
    main()
