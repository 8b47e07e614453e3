"""A process of its own that verifies or consumes; it is run as a program, and shares a board of numbers with the test."""

from __future__ import annotations

import json
import mmap
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final

from nhictl.errors import NhictlError
from nhictl.ops.house import DATABASE, House
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume, verify

WORKERS: Final = 16
CURRENT, ENDED, GO, READY = 0, 1, 2, 3
BEFORE: Final = READY + WORKERS
AFTER: Final = BEFORE + WORKERS
BOARD: Final = AFTER + WORKERS
"""How many numbers the board has: three of the test's, then three for each worker."""
PAUSE_S: Final = 0.0005
PATIENCE_S: Final = 120


def board(path: Path) -> memoryview:
    """The numbers in the file, shared by all who map it."""
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), BOARD * 4)).cast("i")


def verifier(house: House, audience: str, tokens: list[str], numbers: memoryview, me: int) -> list[list[object]]:
    """Ask again and again about the token of the round; return what was answered before its end, and after."""
    found: Counter[tuple[int, bool, str]] = Counter()
    while (at := numbers[CURRENT]) < len(tokens):
        ended = numbers[ENDED] > at  # read before the check begins: the revocation had returned by then
        found[at, ended, verify(house, Question(tokens[at].encode(), audience)).reason] += 1
        numbers[(AFTER if ended else BEFORE) + me] = at + 1
        time.sleep(PAUSE_S)
    return [list(key) for key in found]


def consumer(house: House, audience: str, token: str, tries: int, tool: str) -> list[str]:
    """Try to use the token."""
    said = []
    for _ in range(tries):
        try:
            said.append(consume(house, Question(token.encode(), audience, tool, {}))[0].reason)
        except NhictlError as e:
            said.append(f"error {e.code}: {e.message}")
    return said


def main() -> None:
    """Do what standard input says, and answer on standard output."""
    order = json.load(sys.stdin)
    home, now_us, me = Path(order["home"]), order["now_us"], order["me"]
    numbers = board(Path(order["board"]))
    house = House(home, home / DATABASE, clock=lambda: now_us)
    house.lock_timeout = PATIENCE_S
    until = time.monotonic() + PATIENCE_S
    numbers[READY + me] = 1
    while not numbers[GO] and time.monotonic() < until:
        time.sleep(PAUSE_S)
    answer: object
    if order["what"] == "verify":
        answer = verifier(house, order["audience"], order["tokens"], numbers, me)
    else:
        answer = consumer(house, order["audience"], order["tokens"][0], order["tries"], order["tool"])
    house.close()
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
