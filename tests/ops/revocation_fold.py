"""A second opinion on revocation: a fold over exported record lines that knows nothing of our tables.

Of a cut-off by principal the line says nothing (personal data): whoever folds has to be handed the opened content.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

LEEWAY_US = 30_000_000
Content = Callable[[int, str], Any]


def micros(text: str) -> int:
    """An RFC 3339 time of ours in microseconds."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


class Fold:
    """What every record of an exported log ended: `hit` by its number, the jti in the order of issue."""

    def __init__(self, lines: Iterable[bytes], content: Content) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.hit: dict[int, list[str]] = {}
        self.counted: dict[int, int] = {}
        self.content = content
        for seq, line in enumerate(lines):
            record = json.loads(line)
            if "type" in record:
                self._add(seq, record)

    def _add(self, seq: int, record: dict[str, Any]) -> None:
        kind, ext = record["type"], record.get("ext", {})
        if kind == "task.opened":
            self.tasks[record["task"]] = {
                "agent": record["agent"], "deadline": micros(ext["deadline"]), "ended": False,
                "principal": self.content(seq, "principal") if "principal" in record.get("c", {}) else None,
            }  # fmt: skip
        elif kind in ("task.closed", "task.killed"):
            self.tasks[record["task"]]["ended"] = True
        elif kind == "token.issued":
            self.tokens[record["jti"]] = {
                "agent": record["agent"], "task": record["task"], "inst": record["inst"], "kid": ext["kid"],
                "iat": micros(record["ts"]) // 1_000_000, "exp": ext["exp"], "uses": ext.get("uses"), "ended": None,
            }  # fmt: skip
        elif kind == "token.used" and self.tokens[record["jti"]]["uses"] is not None:
            self.tokens[record["jti"]]["uses"] -= 1
        elif kind == "token.revoked":
            self.counted[seq] = ext["count"]
            self._end(seq, record, lambda token: self._covered(seq, record, token))
        elif kind == "agent.retired":
            self._end(seq, record, lambda token: bool(token["agent"] == record["agent"]))

    def _end(self, seq: int, record: dict[str, Any], covered: Callable[[dict[str, Any]], bool]) -> None:
        named = record.get("ext", {}).get("selector") == "jti"
        now = micros(record["ts"])
        self.hit[seq] = []
        for jti, token in self.tokens.items():
            over = jti == record.get("jti") if named else covered(token)
            if over and token["ended"] is None:
                if named or self._stands(token, now):
                    self.hit[seq].append(jti)
                token["ended"] = seq

    def _stands(self, token: dict[str, Any], now: int) -> bool:
        task = self.tasks[token["task"]]
        fresh = now < token["exp"] * 1_000_000 + LEEWAY_US and now < task["deadline"]
        return fresh and not task["ended"] and token["uses"] != 0

    def _covered(self, seq: int, record: dict[str, Any], token: dict[str, Any]) -> bool:
        ext = record["ext"]
        task = self.tasks[token["task"]]
        kinds: dict[str, Callable[[], bool]] = {
            "agent": lambda: True,  # by the member `agent`, below
            "issued": lambda: True,
            "task": lambda: token["task"] == record["task"],
            "instance": lambda: token["inst"] == record["inst"],
            "kid": lambda: token["kid"] == ext["kid"],
            "principal": lambda: task["principal"] == self.content(seq, "principal"),
            "ci-run": lambda: token["inst"].startswith(f"claimed.github.{ext['run']}."),
        }
        if not kinds[ext["selector"]]():
            return False
        if "agent" in record and token["agent"] != record["agent"]:
            return False
        return "from" not in ext or micros(ext["from"]) <= token["iat"] * 1_000_000 < micros(ext["to"])
