"""`audit replay` and `audit import` of other systems' logs, as a user types them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_help import Program, check_error
from tests.formats.logs import lines
from tests.formats.test_claude_code import BASH, result, use
from tests.formats.test_cloudtrail import event
from tests.formats.test_mcp import GOOD, answer, request

CLAUDE = lines(use("a", BASH), result("b", "t1", "x"))
SAMPLES = Path(__file__).parents[2] / "samples" / "logs"


def put(program: Program, name: str, data: bytes) -> str:
    path = program.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return name


@pytest.mark.parametrize("packed", [False, True])
def test_a_stream_says_what_the_whole_does(program: Program, packed: bool) -> None:
    name = put(program, "s.jsonl.gz" if packed else "s.jsonl", gzip.compress(CLAUDE) if packed else CLAUDE)
    whole = program("audit", "replay", name, "--json")
    assert (whole.code, whole.err) == (0, "")
    assert whole.json["source"] == {"parsed": 2, "opaque": 0, "failed": 0}
    assert program("audit", "replay", name, "-o", "jsonl").lines == whole.json["events"]
    only = program("audit", "replay", name, "-o", "jsonl", "--tool", "Ba*", "--instance", "s-1").lines
    assert [(e["n"], e["tool"]) for e in only] == [(0, "Bash")]
    assert not program.home.exists()


def test_several_files_are_one_story(program: Program) -> None:
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "ls", "_meta": {"claudecode/toolUseId": "toolu_12345"}},
    }
    put(program, "d/a.jsonl", lines(use("a", ("toolu_12345", "mcp__files__ls", {}))))
    put(program, "d/b.jsonl", lines({"ts": "2026-03-01T10:00:01Z", "message": call}))
    put(program, "d/c.json", json.dumps({"Records": [event(2), event(0)]}).encode())
    put(program, "d/LICENSE", b"free")
    done = program("audit", "replay", "d", "--json")
    assert done.code == 0
    assert "LICENSE` is not JSON, so it was left out" in done.err
    assert (done.json.get("refused"), len(done.json["left_out"])) == (None, 1)
    calls = [e for e in done.json["events"] if e["n"] is not None]
    assert [(e["run"], e["tool"]) for e in calls] == [
        ("s-1", "mcp__files__ls"), ("c", "s3:GetObject"), ("b", "ls"), ("c", "s3:GetObject"),
    ]  # fmt: skip
    assert calls[0]["joined"] == [{"by": "call", "run": "b", "n": 0}]
    assert [e["n"] for e in calls] == [0, 0, 0, 1]
    assert program("audit", "replay", "d", "-o", "jsonl").lines == done.json["events"]


def test_our_log_and_theirs_are_linked(governed: Program) -> None:
    token = governed.token(governed.task())
    governed.verify(token, "--consume", "--tool", "reports.read", "--arg", "limit=10")
    log = governed.write("log.jsonl", governed("audit", "export", "--to", "native").out)
    used = next(e for e in governed("audit", "replay", log, "-o", "jsonl").lines if e["type"] == "token.used")
    theirs = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
              "params": {"name": "reports.read", "arguments": {"limit": 10}, "_meta": {"nhictl.jti": used["jti"]}}}  # fmt: skip
    other = put(governed, "mcp.jsonl", lines({"ts": used["time"], "message": theirs}))
    done = governed("audit", "replay", log, other, "--json")
    assert done.code == 0
    (call,) = [e for e in done.json["events"] if e["run"] == "mcp"]
    assert call["joined"] == [{"by": "jti", "run": used["run"], "n": None, "seq": used["seq"]}]
    assert next(e for e in done.json["events"] if e["type"] == "token.used")["joined"] == [
        {"by": "jti", "run": "mcp", "n": 0}
    ]
    governed.ok("audit", "import", other)
    assert [e["joined"] for e in governed("audit", "replay", "--run", "mcp", "-o", "jsonl").lines] == [call["joined"]]
    narrowed = governed("audit", "replay", log, "--task", used["task"], "-o", "jsonl").lines
    assert narrowed == [e for e in governed("audit", "replay", log, "-o", "jsonl").lines if e["task"] == used["task"]]


def test_a_generic_log_is_read_by_its_map_also_from_the_home(authority: Program) -> None:
    log, mapping = SAMPLES / "cron.jsonl", SAMPLES / "cron.map.yaml"
    done = authority("audit", "replay", log, "--map", mapping, "--json")
    assert done.json["source"] == {"parsed": 5, "opaque": 1, "failed": 0}
    assert [(e["tool"], e["outcome"]) for e in done.json["events"] if e["n"] is not None] == [
        ("objects.list", "ok"), ("objects.delete", "denied"),
    ]  # fmt: skip
    taken = authority.ok("audit", "import", log, "--map", mapping)
    assert (taken["files"], taken["parsed"], taken["opaque"]) == (1, 5, 1)
    again = authority("audit", "replay", "--run", "nightly", "-o", "jsonl").lines
    assert [{**e, "source": None} for e in again] == [{**e, "source": None} for e in done.json["events"]]
    assert authority("audit", "verify").code == 0


def test_import_takes_every_format_and_keeps_its_bytes(authority: Program, shared: Path) -> None:
    taken = authority(
        "audit",
        "import",
        *(shared / "data" / name for name in ("claude-code", "codex", "swe-agent", "cloudtrail")),
        "--json",
    )
    assert (taken.code, taken.json["files"], taken.json["refused"]) == (0, 11, [])
    assert (taken.json["parsed"], taken.json["opaque"], taken.json["failed"]) == (31 + 118 + 25 + 70, 1, 6)
    calls = [e for e in authority("audit", "replay", "-o", "jsonl").lines if e["n"] is not None]
    assert len(calls) == 7 + 31 + 9 + 70


REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "unknown format": (("--format", "nope", "s.jsonl"), "unknown log format `nope`"),
    "the wrong format": (("--format", "codex", "s.jsonl"), "no record of codex"),
    "not ours": (("--format", "nhictl", "s.jsonl"), "not an exported log of ours"),
    "a broken document": (("--format", "agentdojo", "s.jsonl"), "not strict JSON"),
    "no log": (("text",), "is no log that is known here"),
    "empty": (("empty",), "holds no record"),
    "a map for a known format": (
        ("--format", "codex", "--map", "map.yaml", "s.jsonl"),
        "for the format `generic` alone",
    ),
    "a map that is none": (("--map", "text", "s.jsonl"), "the map"),
    "no map": (("--format", "generic", "s.jsonl"), "needs a map"),
    "missing": (("gone.jsonl",), "cannot read"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("output", ["jsonl", "json"])
def test_files_that_are_refused(program: Program, name: str, output: str) -> None:
    put(program, "s.jsonl", CLAUDE)
    put(program, "text", b"hello\n")
    put(program, "empty", b"")
    put(program, "map.yaml", b"nhictl_map: 1\nrules: [{type: note.x}]\n")
    argv, why = REFUSED[name]
    done = program("audit", "replay", *argv, "-o", output)
    assert (done.code, done.out) == (2, "")
    assert why in check_error(done.err)["message"]


def test_hostile_text_stays_text(program: Program) -> None:
    evil = "\x1b[2J\u202e=cmd()|</script>[link](x)"
    name = put(program, "e.jsonl", lines(use("a", (evil, evil, {evil: evil})), result("b", evil, evil, is_error=True)))
    for output in ("table", "csv", "markdown", "json"):
        done = program("audit", "replay", name, "-o", output)
        assert done.code == 0
        assert "\x1b" not in done.out
        assert "\u202e" not in done.out


MIXED = lines(use("a", ("c1", "Bash", {"command": "ls"})), request(1), result("b", "c1", "x"), answer(1, GOOD))
BAD_INPUT: dict[str, tuple[bytes, tuple[int, int, int], int]] = {
    "as it is": (CLAUDE, (2, 0, 0), 1),
    "two formats in one file": (MIXED, (2, 2, 0), 1),
    "cut short": (CLAUDE[:-20], (1, 0, 1), 1),
    "a byte order mark and CRLF": (b"\xef\xbb\xbf" + CLAUDE.replace(b"\n", b"\r\n"), (2, 0, 0), 1),
    "packed": (gzip.compress(CLAUDE), (2, 0, 0), 1),
    "a line that is none": (CLAUDE + b"{{{\n", (2, 0, 1), 1),
    "two calls interleaved": (
        lines(
            use("a", ("c1", "Bash", {"command": "ls"})), use("b", ("c2", "Bash", {"command": "pwd"})),
            result("c", "c1", "x"), result("d", "c2", "y"),
        ), (4, 0, 0), 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_INPUT)
def test_no_record_is_lost_whatever_the_file(program: Program, name: str) -> None:
    data, counts, calls = BAD_INPUT[name]
    done = program("audit", "replay", put(program, "s.jsonl", data), "-o", "json")
    assert done.code == 0
    assert tuple(done.json["source"].values()) == counts
    events = [event for event in done.json["events"] if event["n"] is not None]
    assert [event["n"] for event in events] == list(range(calls))
    if name == "two calls interleaved":
        assert [event["result"] for event in events] == ["x", "y"]
