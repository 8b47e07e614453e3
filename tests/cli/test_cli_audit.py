"""`audit verify|checkpoint|export|import|replay` on our own log and on foreign runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_help import AUDIENCE, Program, check_error

READ = ("--tool", "reports.read", "--arg", "limit=10")


def run_of(*calls: dict[str, Any]) -> str:
    asked = {"role": "assistant", "content": "", "tool_calls": list(calls)}
    names = {"suite_name": "house", "pipeline_name": "porter", "user_task_id": "evening"}
    return json.dumps({**names, "messages": [{"role": "user", "content": "hi"}, asked]})


@pytest.fixture
def exported(governed: Program) -> tuple[Program, Path, Path]:
    """A home with a little history, its log as a file, and a checkpoint of it."""
    token = governed.token(governed.task())
    governed.verify(token, "--consume", *READ)
    log = governed.write("log.jsonl", governed("audit", "export", "--to", "native").out)
    note = governed.write("note", governed("audit", "checkpoint").out)
    return governed, log, note


def test_own_log(exported: tuple[Program, Path, Path]) -> None:
    program, _, note = exported
    plain = program("audit", "verify", "--json")
    assert (plain.code, plain.json["verdict"]) == (0, "VERIFIED_UNANCHORED")
    assert set(plain.json) >= {"schema", "verdict", "size", "root", "first_bad_seq", "class", "unproven"}
    anchored = program("audit", "verify", "--anchor", note, "--json")
    assert (anchored.code, anchored.json["verdict"]) == (0, "VERIFIED")


def test_a_token_and_a_saved_reply_are_anchors(governed: Program) -> None:
    task = governed.task()
    reply = governed("token", "issue", "--task", task, "--audience", AUDIENCE, "--json")
    for name, text in (("reply", reply.out), ("token", reply.json["token"] + "\n")):
        done = governed("audit", "verify", "--anchor", governed.write(name, text), "--json")
        assert (done.code, done.json["verdict"]) == (0, "VERIFIED"), name


def test_exported_log(exported: tuple[Program, Path, Path]) -> None:
    program, log, note = exported
    size = program.size()
    lines = log.read_text().splitlines()
    assert len(lines) == size + 1
    last = json.loads(lines[-1])
    assert set(last) == {"schema", "keys", "notes"}
    assert last["schema"] == "nhictl.checkpoints/v1"
    keys = program.write("keys", "\n".join(last["keys"]) + "\n")
    cases: list[tuple[tuple[Any, ...], int, str]] = [
        ((log,), 0, "VERIFIED_UNANCHORED"),
        ((log, "--anchor", note), 0, "VERIFIED"),
        (("--home", "elsewhere", log), 3, "UNKNOWN_KEY"),
        (("--home", "elsewhere", log, "--keys", keys), 0, "VERIFIED_UNANCHORED"),
        (("--home", "elsewhere", log, "--keys", keys, "--anchor", note), 0, "VERIFIED"),
    ]
    for argv, code, verdict in cases:
        done = program("audit", "verify", *argv, "--json")
        assert (done.code, done.json["verdict"], done.json["size"]) == (code, verdict, size), argv
    assert not (program.folder / "elsewhere").exists()


def test_tampering_shows(exported: tuple[Program, Path, Path]) -> None:
    program, log, note = exported
    lines = log.read_text().splitlines(keepends=True)
    cases = {
        "a changed byte": ([*lines[:4], lines[4].replace("report-bot", "report-bat", 1), *lines[5:]], 1, "TAMPERED"),
        "a record left out": (lines[:3] + lines[4:], 1, "TAMPERED"),
        "two exchanged": ([*lines[:2], lines[3], lines[2], *lines[4:]], 1, "TAMPERED"),
        "a cut tail against an anchor": ([*lines[:-3], lines[-1]], 1, "TAMPERED"),
        "a torn end": ([*lines[:-2], lines[-2][:40]], 3, "INCOMPLETE_TAIL"),
    }
    for what, (text, code, verdict) in cases.items():
        path = program.write("copy.jsonl", "".join(text))
        anchor = ("--anchor", note) if "anchor" in what else ()
        done = program("audit", "verify", path, *anchor, "--json")
        assert (done.code, done.json["verdict"]) == (code, verdict), what


def test_a_rewritten_history_is_forked(exported: tuple[Program, Path, Path]) -> None:
    program, _, note = exported
    text = note.read_text().splitlines()
    chain, size = text[0].removeprefix("nhictl/"), int(text[1])
    claimed = {"log": {"chain": chain, "seq": size - 1, "size": size, "root": "A" * 43 + "="}}
    done = program("audit", "verify", "--anchor", program.write("forged", json.dumps(claimed)), "--json")
    assert (done.code, done.json["verdict"]) == (1, "FORKED")


def test_an_anchor_larger_than_the_log(exported: tuple[Program, Path, Path]) -> None:
    program, log, _ = exported
    program.task()
    later = program.write("later", program("audit", "checkpoint").out)
    done = program("audit", "verify", log, "--anchor", later, "--json")
    assert (done.code, done.json["verdict"], done.json["class"]) == (1, "TAMPERED", "truncated")


def test_malformed_keys_and_anchors(exported: tuple[Program, Path, Path]) -> None:
    program, log, _ = exported
    junk = program.write("junk", "neither\n")
    for argv in (("--anchor", junk), ("--anchor", "missing"), ("--keys", junk), ("--keys", "missing")):
        done = program("audit", "verify", log, *argv, "--json")
        assert (done.code, done.out) == (2, ""), argv
        check_error(done.err)


def test_replay_of_own_log(exported: tuple[Program, Path, Path]) -> None:
    program, log, _ = exported
    said = program("audit", "replay", "--json")
    assert said.code == 0
    assert list(said.json)[:1] == ["schema"]
    assert set(said.json) >= {"schema", "integrity", "source", "events", "unproven"}
    assert said.json["integrity"]["verdict"] == "VERIFIED_UNANCHORED"
    assert said.json["source"] == {"parsed": program.size(), "opaque": 0, "failed": 0}
    events = said.json["events"]
    assert program("audit", "replay", "-o", "jsonl").lines == events
    names = {"n", "time", "run", "agent", "task", "span", "parent", "type", "tool", "call", "args", "result",
             "outcome", "decision", "evidence"}  # fmt: skip
    assert all(names <= event.keys() for event in events)
    (used,) = [event for event in events if event["type"] == "token.used"]
    assert (used["tool"], used["args"]) == ("reports.read", {"limit": 10})
    from_file = program("audit", "replay", log, "--json").json["events"]
    assert [event["type"] for event in from_file] == [event["type"] for event in events]


def test_replay_can_be_narrowed(exported: tuple[Program, Path, Path]) -> None:
    program, _, _ = exported
    task = program.task()
    events = program("audit", "replay", "--task", task, "-o", "jsonl").lines
    assert [event["type"] for event in events] == ["task.opened"]
    assert program("audit", "replay", "--agent", "report-bot", "-o", "jsonl").lines[0]["type"] == "agent.registered"
    assert program("audit", "replay", "--since", "+1h", "-o", "jsonl").out == ""
    assert program("audit", "replay", "--until", "-1h", "-o", "jsonl").out == ""
    bad = program("audit", "replay", "--since", "soon")
    assert (bad.code, bad.out) == (2, "")
    assert "--since" in bad.err
    for view in ("timeline", "tree"):
        assert task in program("audit", "replay", "--task", task, "--view", view).out


def test_foreign_runs_without_a_home(program: Program) -> None:
    (program.folder / "runs" / "a").mkdir(parents=True)
    program.write("runs/a/one.json", run_of({"function": "door.open", "args": {"n": 1.0}, "id": "x"}))
    program.write("runs/two.json", run_of({"function": "door.open", "args": {}, "id": None}))
    done = program("audit", "replay", "runs", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["integrity"]["verdict"] == "UNSIGNED"
    calls = [event for event in done.json["events"] if event["type"] == "tool.called"]
    assert [(c["run"], c["n"], c["tool"], c["call"], c["outcome"], c["evidence"]) for c in calls] == [
        ("a/one", 0, "door.open", "x", "not_executed", "imported"),
        ("two", 0, "door.open", None, "not_executed", "imported"),
    ]
    assert '"args":{"n":1.0}' in done.out
    assert {event["n"] for event in done.json["events"] if event["type"] != "tool.called"} == {None}
    assert not program.home.exists()


def test_a_bad_file_among_good_ones(authority: Program) -> None:
    good = authority.write("good.json", run_of({"function": "door.open", "args": {}, "id": "x"}))
    bad = authority.write("bad.json", "{")
    size = authority.size()
    replayed = authority("audit", "replay", good, bad, "-o", "jsonl")
    assert replayed.code == 2
    assert len(replayed.lines) == 4
    assert "bad.json" in replayed.err
    taken = authority("audit", "import", good, bad)
    assert taken.code == 2
    assert "bad.json" in taken.err
    assert "taken in: 1" in taken.out
    assert authority.size() == size + 1
    again = authority("audit", "import", good, "--json")
    assert (again.code, again.json["files"], again.json["known"]) == (0, 0, 1)
    assert authority.size() == size + 1
    assert authority("audit", "verify").code == 0


@pytest.mark.parametrize("verb", ["import", "replay"])
def test_files_refused_in_json_mode_are_error_objects(authority: Program, verb: str) -> None:
    good = authority.write("good.json", run_of({"function": "door.open", "args": {}, "id": "x"}))
    bad = [authority.write(name, "{") for name in ("bad.json", "worse.json")]
    done = authority("audit", verb, good, *bad, "--json")
    assert done.code == 2
    assert done.json["schema"] == f"nhictl.{verb}/v1"
    lines = done.err.splitlines(keepends=True)
    assert len(lines) == 2
    for line, path in zip(lines, bad, strict=True):
        assert path.name in check_error(line)["message"]


def test_import_counts(authority: Program) -> None:
    path = authority.write("run.json", run_of({"function": "door.open", "args": {}, "id": "x"}))
    said = authority.ok("audit", "import", path)
    assert (said["schema"], said["parsed"], said["opaque"], said["failed"]) == ("nhictl.import/v1", 2, 0, 0)
    events = authority("audit", "replay", "--run", "run", "-o", "jsonl").lines
    assert {event["evidence"] for event in events} == {"imported"}
    assert [event["n"] for event in events if event["type"] == "tool.called"] == [0]


@pytest.mark.parametrize(
    "argv",
    [("import", "missing.json"), ("replay", "missing.json"), ("import",), ("verify", "missing.jsonl"),
     ("import", "--format", "nonsense", "policy.yaml"), ("replay", "--format", "nonsense", "policy.yaml"),
     ("export", "--to", "nonsense"), ("replay", "--view", "nonsense"), ("import", "policy.yaml")],
    ids=" ".join,
)  # fmt: skip
def test_malformed_questions(governed: Program, argv: tuple[str, ...]) -> None:
    size = governed.size()
    done = governed("audit", *argv)
    assert done.code == 2
    assert done.err.startswith("nhictl: ")
    assert governed.size() == size
