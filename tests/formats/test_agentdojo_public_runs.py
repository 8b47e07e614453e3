"""The importer against public recorded runs, read by an independent reader; skipped where they are not at hand."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from nhictl import formats

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "agentdojo"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="public runs are not at hand")


def by_hand(run: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Calls in order of request as (tool, args, id, ended, result), told by position alone.

    In these runs the results of an assistant message follow it in order, so counting is enough and proves the pairing.
    """
    made: list[tuple[Any, ...]] = []
    messages = run["messages"]
    for at, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        answers = []
        for later in messages[at + 1 :]:
            if later["role"] != "tool":
                break
            answers.append(later)
        for place, call in enumerate(message["tool_calls"] or []):
            told = answers[place] if place < len(answers) else None
            ended = "not_executed" if told is None else "error" if told["error"] else "ok"
            made.append((call["function"], call["args"], call.get("id"), ended, told["content"] if told else None))
    return made


def exact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def check(data: bytes, run: str) -> int:
    read = formats.read("agentdojo", data, run=run, file=f"{run}.json")
    source = json.loads(data)
    calls = [event for event in read.events if event.type == "tool.called"]
    assert exact([[c.tool, c.args, c.call, c.outcome, c.result] for c in calls]) == exact(by_hand(source))
    assert [call.n for call in calls] == list(range(len(calls)))
    assert (read.parsed, read.opaque, read.failed, read.problems) == (len(source["messages"]), 0, 0, [])
    spoken = [[m["role"], m["content"]] for m in source["messages"] if m["role"] != "tool"]
    heard = [[e.type.removeprefix("message."), e.content] for e in read.events if e.type.startswith("message.")]
    assert exact(spoken) == exact(heard)
    assert {event.time for event in read.events} == {None}
    assert {event.agent for event in read.events} == {source["pipeline_name"]}
    assert {event.task for event in read.events} == {f"{source['suite_name']}/{source['user_task_id']}"}
    return len(calls)


def test_the_twenty_files() -> None:
    files = sorted((SHARED / "runs").rglob("*.json"))
    assert len(files) == 20
    names = formats.run_names([str(file) for file in files])
    assert names == [file.relative_to(SHARED / "runs").with_suffix("").as_posix() for file in files]
    counts = []
    for file, name in zip(files, names, strict=True):
        data = file.read_bytes()
        assert formats.sniff(data[: formats.SNIFF_BYTES]) == "agentdojo"
        counts.append(check(data, name))
    assert (sum(counts), min(counts)) == (105, 0)


def test_all_recorded_runs() -> None:
    runs = calls = 0
    with lzma.open(SHARED / "dev-runs.jsonl.xz") as lines:
        for line in lines:
            entry = json.loads(line)
            calls += check(exact(entry["run"]).encode(), entry["path"])
            runs += 1
    assert (runs, calls) == (2910, 8324)
