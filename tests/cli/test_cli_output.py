"""Formats, global options, environment: the same everywhere, and nothing on the wrong stream."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.cli.cli_help import AUDIENCE, REPORT_BOT, Program, check_error

FORMATS = ("table", "json", "jsonl", "csv", "tsv", "markdown")
LISTS = (("agent", "list"), ("task", "list"), ("token", "list"))


@pytest.fixture
def busy(governed: Program) -> Program:
    """A home with a task and a token."""
    governed.token(governed.task())
    return governed


@pytest.mark.parametrize("argv", LISTS, ids=" ".join)
def test_lists_in_every_format(busy: Program, argv: tuple[str, ...]) -> None:
    said = {fmt: busy(*argv, "-o", fmt) for fmt in FORMATS}
    assert {(done.code, done.err) for done in said.values()} == {(0, "")}
    (item,) = said["json"].json["items"]
    assert said["json"].json["schema"] == f"nhictl.{argv[0]}s/v1"
    assert said["jsonl"].lines == [item]
    head, row = csv.reader(io.StringIO(said["csv"].out))
    assert len(head) == len(row) > 3
    assert said["tsv"].out.splitlines()[0] == "\t".join(head)
    assert said["markdown"].out.startswith("| " + " | ".join(head) + " |\n| ---")
    assert said["table"].out.split("\n")[0].split() == head
    assert busy(*argv).out == said["table"].out


@pytest.mark.parametrize("argv", LISTS, ids=" ".join)
def test_empty_lists_in_every_format(program: Program, argv: tuple[str, ...]) -> None:
    program.ok("init", "--trust-domain", "example.org")
    assert program(*argv, "-o", "json").json["items"] == []
    assert program(*argv, "-o", "jsonl").out == ""
    for fmt in FORMATS:
        assert program(*argv, "-o", fmt).code == 0


@pytest.mark.parametrize(
    ("argv", "env", "expected"),
    [
        (("--json", "agent", "list"), {}, "json"),
        (("-o", "json", "agent", "list"), {}, "json"),
        (("-ojson", "agent", "list"), {}, "json"),
        (("--output=json", "agent", "list"), {}, "json"),
        (("agent", "--json", "list"), {}, "json"),
        (("agent", "list", "--json"), {}, "json"),
        (("agent", "list", "--output", "json"), {}, "json"),
        (("agent", "list"), {"NHICTL_OUTPUT": "json"}, "json"),
        (("agent", "list"), {"NHICTL_OUTPUT": ""}, "table"),
        (("agent", "list", "-o", "csv"), {"NHICTL_OUTPUT": "json"}, "csv"),
        (("-o", "json", "agent", "list", "-o", "csv"), {}, "csv"),
        (("agent", "list"), {}, "table"),
    ],
)
def test_where_the_format_may_stand(
    authority: Program, argv: tuple[str, ...], env: dict[str, str], expected: str
) -> None:
    done = authority(*argv, env=env)
    assert (done.code, done.out) == (0, authority("agent", "list", "-o", expected).out)


@pytest.mark.parametrize(
    "argv",
    [
        ("--json", "agent", "show"),
        ("agent", "--json", "show"),
        ("agent", "show", "--json"),
        ("-o", "json", "agent", "show"),
        ("-ojson", "agent", "show"),
        ("--output", "json", "agent", "show"),
        ("--output=json", "agent", "show"),
        ("agent", "show", "--bogus", "--output=json"),
        ("agent", "show", "--bogus", "-o", "json"),
        ("--bogus", "--json"),
        ("--json", "bogus"),
        ("--json", "task", "open", "--max-calls", "many"),
        ("--json", "agent", "list", "--at", "whenever"),
        ("--json", "--store", "postgresql://db.example.org/nhi", "agent", "list"),
    ],
    ids=" ".join,
)
def test_errors_in_json_mode(program: Program, argv: tuple[str, ...]) -> None:
    done = program(*argv)
    assert (done.code, done.out) == (2, "")
    check_error(done.err)


def test_errors_in_json_mode_by_the_environment(program: Program) -> None:
    done = program("agent", "show", env={"NHICTL_OUTPUT": "json"})
    assert (done.code, done.out) == (2, "")
    check_error(done.err)


@pytest.mark.parametrize("argv", [("--json",), ("--json", "token")])
def test_a_missing_verb_in_json_mode_is_an_error_object_too(program: Program, argv: tuple[str, ...]) -> None:
    done = program(*argv)
    assert (done.code, done.out) == (2, "")
    check_error(done.err)


@pytest.mark.parametrize(
    "argv",
    [
        ("agent", "register", "new-bot", *REPORT_BOT),
        ("agent", "suspend", "report-bot"),
        ("task", "open", "--agent", "report-bot", "--intent", "i", "--purpose", "p", "--allow", "a.b"),
        ("token", "issue", "--task", "TASK", "--audience", AUDIENCE),
        ("token", "revoke", "--agent", "report-bot"),
        ("token", "verify", "--audience", AUDIENCE, "--consume"),
        ("task", "kill", "TASK"),
        ("policy", "activate", "policy.yaml"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_format_that_does_not_exist_stops_before_anything_is_done(
    busy: Program, argv: tuple[str, ...], how: str
) -> None:
    task = busy.task()
    size = busy.size()
    words = [task if word == "TASK" else word for word in argv]
    more, env = (["-o", "xml"], {}) if how == "option" else ([], {"NHICTL_OUTPUT": "xml"})
    done = busy(*words, *more, stdin="x.y.z", env=env)
    assert (done.code, done.out) == (2, "")
    assert "`xml`" in done.err
    assert busy.size() == size


def test_homes_and_their_precedence(program: Program) -> None:
    other, data = program.folder / "other", program.folder / "data"
    assert program("--home", other, "init", "--trust-domain", "other.example").code == 0
    assert (other / "nhictl.db").exists()
    assert not program.home.exists()
    assert program("init", "--trust-domain", "env.example").code == 0
    assert program.home.exists()
    xdg = {"NHICTL_HOME": "", "XDG_DATA_HOME": str(data)}
    assert program("init", "--trust-domain", "xdg.example", env=xdg).code == 0
    assert (data / "nhictl" / "nhictl.db").exists()

    def domain(*argv: Any, env: dict[str, str] | None = None) -> str:
        done = program(*argv, "agent", "register", "bot", *REPORT_BOT, env=env)
        return done.thing.split("/")[2]

    assert domain("--home", other) == "other.example"
    assert domain() == "env.example"
    assert domain(env=xdg) == "xdg.example"


def test_store_by_option_and_environment(program: Program) -> None:
    store = program.folder / "elsewhere" / "nhi.db"
    url = f"sqlite://{store}"
    assert program("--store", url, "init", "--trust-domain", "example.org").code == 0
    assert store.exists()
    assert not (program.home / "nhictl.db").exists()
    assert program("agent", "list", env={"NHICTL_STORE": url}).code == 0
    assert program("agent", "list", "--store", url).code == 0


@pytest.mark.parametrize("where", ["option", "environment"])
@pytest.mark.parametrize("url", ["postgresql://db.example.org/nhi", "mysql://x/y", "nonsense", "sqlite://relative"])
def test_stores_that_are_not_there(program: Program, where: str, url: str) -> None:
    argv = ("--store", url) if where == "option" else ()
    env = {} if where == "option" else {"NHICTL_STORE": url}
    done = program(*argv, "agent", "list", env=env)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("nhictl: ")


def test_every_single_object_carries_its_schema(busy: Program) -> None:
    task = busy.task()
    jti = busy.ok("token", "issue", "--task", task, "--audience", AUDIENCE)["jti"]
    call = ("policy", "check", "--agent", "report-bot", "--intent", "report", "--tool", "reports.read")
    expected = {
        ("agent", "show", "report-bot"): "agent",
        ("agent", "list"): "agents",
        ("task", "show", task): "task",
        ("task", "list"): "tasks",
        ("token", "show", jti): "issued_token",
        ("token", "list"): "tokens",
        ("policy", "show"): "policy",
        (*call, "--arg", "limit=1"): "decision",
        ("audit", "verify"): "integrity",
        ("audit", "checkpoint"): "checkpoint",
        ("audit", "replay"): "replay",
        ("completion", "bash"): "completion",
    }
    for argv, name in expected.items():
        said = busy.ok(*argv)
        assert next(iter(said)) == "schema", argv
        assert said["schema"] == f"nhictl.{name}/v1", argv


def test_every_mutating_reply_carries_the_head_after_it(busy: Program) -> None:
    task = busy.task()
    token = busy.token(task)
    run = {"suite_name": "h", "pipeline_name": "p", "user_task_id": "u", "messages": []}
    busy.write("run.json", json.dumps(run))
    steps: list[tuple[tuple[str, ...], str]] = [
        (("agent", "register", "lab-bot", *REPORT_BOT), "agent"),
        (("agent", "suspend", "lab-bot"), "agent"),
        (("agent", "resume", "lab-bot"), "agent"),
        (("agent", "retire", "lab-bot"), "agent"),
        (("task", "open", "--agent", "report-bot", "--intent", "i", "--purpose", "p", "--allow", "a.b"), "task"),
        (("token", "issue", "--task", task, "--audience", AUDIENCE), "token"),
        (("token", "verify", "--audience", AUDIENCE, "--consume"), "verdict"),
        (("token", "revoke", "--task", task), "revocation"),
        (("task", "close", task), "task"),
        (("policy", "activate", "policy.yaml"), "policy"),
        (("audit", "import", "--format", "agentdojo", "run.json"), "import"),
    ]
    for argv, name in steps:
        said = busy.ok(*argv, stdin=token)
        assert said["schema"] == f"nhictl.{name}/v1", argv
        assert list(said["log"]) == ["chain", "seq", "size", "root"], argv
        now = busy("audit", "verify", "--json").json
        assert said["log"] == {k: now[k] for k in ("chain", "size", "root")} | {"seq": now["size"] - 1}, argv


def test_a_thing_is_printed_alone(busy: Program) -> None:
    task = busy.task()
    assert busy("task", "show", task).code == 0
    token = busy.token(task)
    assert token.count(".") == 2
    assert not set(token) & set(" \n\t")
    assert busy.verify(token).json["valid"] is True
