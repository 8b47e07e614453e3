"""Every public log: nothing lost, and its calls as an independent reader of a few lines finds them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nhictl import formats
from tests.formats.logs import calls, check, exact

Rows = list[list[Any]]
TRIMMED = "[trimmed for fixture]"


def claude_code(text: str) -> tuple[int, Rows]:
    """tool_use parts; a result by id, or, without ids, the one in the answer to that very message."""
    entries = [line for line in text.splitlines() if line.strip()]
    uses: list[dict[str, Any]] = []
    for entry in entries:
        value = json.loads(entry)
        message = value.get("message") if isinstance(value, dict) else None
        parts = message.get("content") if isinstance(message, dict) else None
        for part in [p for p in parts if isinstance(p, dict)] if isinstance(parts, list) else []:
            if part["type"] == "tool_use":
                uses.append({**part, "uuid": value["uuid"], "done": None})
            if part["type"] == "tool_result":
                key, wanted = ("id", part["tool_use_id"]) if "tool_use_id" in part else ("uuid", value["parentUuid"])
                next(use for use in uses if use.get(key) == wanted)["done"] = part
    rows: Rows = []
    for use in uses:
        done = use["done"]
        outcome = "unknown" if done is None else "error" if done.get("is_error") else "ok"
        rows.append([use["name"], use["input"], use.get("id"), outcome, done["content"] if done else None])
    return len(entries), rows


def codex(text: str) -> tuple[int, Rows]:
    """Items that ask for a call, and executions whose id no such item has; trimmed ids are no ids."""
    entries = [json.loads(line) for line in text.splitlines()]
    asked: Rows = []
    for entry in entries:
        payload = entry["payload"]
        if entry["type"] == "response_item" and payload["type"].endswith("_call") and "image" not in payload["type"]:
            given = payload.get("arguments", payload.get("input", payload.get("action")))
            given = json.loads(given) if payload["type"] == "function_call" and given else given
            asked.append([payload.get("name"), given, payload.get("call_id", payload["id"])])
    return len(entries), asked


def swe_agent(text: str) -> tuple[int, Rows]:
    """Steps, or messages that ask for tools."""
    value = json.loads(text)
    steps, history = value.get("trajectory", []), value["history"]
    rows: Rows = [["bash", {"command": step["action"]}, None, "ok", step["observation"]] for step in steps]
    for place, message in enumerate(history if not steps else []):
        for call in message.get("tool_calls", []):
            function = call["function"]
            answer = history[place + 1]
            assert answer["tool_call_ids"] == [call["id"]]
            rows.append([function["name"], json.loads(function["arguments"]), call["id"], "ok", answer["content"]])
    return len(steps) + len(history), rows


def cloudtrail(text: str) -> tuple[int, Rows]:
    """Every event, by time."""
    events = sorted(json.loads(text), key=lambda event: str(event["eventTime"]))
    rows: Rows = []
    for event in events:
        tool = event["eventSource"].split(".")[0] + ":" + event["eventName"]
        outcome = "ok" if event.get("errorCode") is None else "error"
        rows.append([tool, event["requestParameters"], event["requestID"], outcome, event["responseElements"]])
    return len(events), rows


READERS: dict[str, Callable[[str], tuple[int, Rows]]] = {
    "claude-code": claude_code,
    "codex": codex,
    "swe-agent": swe_agent,
    "cloudtrail": cloudtrail,
}
COUNTS = {"claude-code": (4, 7), "codex": (1, 31), "swe-agent": (2, 9), "cloudtrail": (4, 70)}
"""Files, and calls in all of them."""


@pytest.mark.parametrize("name", READERS)
def test_every_file(name: str, shared: Path) -> None:
    files = sorted(path for path in (shared / "data" / name).rglob("*") if path.suffix in (".json", ".jsonl", ".traj"))
    found = 0
    for file in files:
        data = file.read_bytes()
        assert formats.sniff(data[: formats.SNIFF_BYTES]) == name, file
        made = formats.read(name, data, run=file.stem, file=file.name)
        records, rows = READERS[name](data.decode())
        assert made.parsed + made.opaque + made.failed == records, file
        check(made)
        ours = [[c.tool, c.args, c.call, c.outcome, c.result] for c in calls(made)]
        if name == "codex":  # what was executed says how it ended; the reader knows only what was asked for
            whole = [row for row in rows if row[2] != TRIMMED]
            assert [row[:3] for row in ours][:4] == [[row[0] or kind, *row[1:]] for row, kind in zip(
                whole, ["", "", "tool_search", "web_search"], strict=True)]  # fmt: skip
        else:
            assert exact(ours) == exact(rows), file
        found += len(ours)
    assert (len(files), found) == COUNTS[name]


def test_what_was_executed_in_the_rollout(shared: Path) -> None:
    """Executions by an independent look: with an id of their own they are calls of their own, and keep their outcome."""
    data = (shared / "data" / "codex" / "small.jsonl").read_bytes()
    made = formats.read("codex", data, run="r", file="f")
    ends = [
        (payload["call_id"], payload["type"])
        for payload in (json.loads(line)["payload"] for line in data.decode().splitlines())
        if payload.get("type", "").endswith(("exec_command_end", "tool_call_end", "apply_end", "search_end"))
        and payload["call_id"] != TRIMMED
    ]
    assert ends == [("call-4", "web_search_end"), ("call-5", "mcp_tool_call_end"), ("call-6", "patch_apply_end")]
    by_id = {call.call: call for call in calls(made) if call.call != TRIMMED}
    assert list(by_id) == ["call-1", "call-2", "call-3", "ws-1", "call-4", "call-5", "call-6"]
    assert by_id["call-5"].tool == "mcp__example__example_tool"
    assert by_id["call-6"].args == {
        "changes": {
            "/tmp/repo/a.txt": json.loads(next(line for line in data.splitlines() if b"patch_apply_end" in line))[
                "payload"
            ]["changes"]["/tmp/repo/a.txt"]
        }
    }
    assert (made.parsed, made.opaque, made.failed) == (118, 0, 0)
    assert len({call.run for call in calls(made)}) == 1


def test_broken_records_of_the_edge_cases_are_named(shared: Path) -> None:
    made = formats.read(
        "claude-code", (shared / "data/claude-code/edge_cases.jsonl").read_bytes(), run="r", file="edge_cases.jsonl"
    )
    assert (made.parsed, made.opaque, made.failed) == (12, 1, 6)
    opaque = next(event for event in made.events if event.type == "opaque")
    assert opaque.content == {"silly": "this"}
    assert [e.content for e in made.events if e.type == "failed" and not isinstance(e.content, dict)] == [
        "massive error", 42, [1],
    ]  # fmt: skip
    assert any("no `content`: record 10" in sentence for sentence in made.problems)
