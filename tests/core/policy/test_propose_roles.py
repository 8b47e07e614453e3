"""What arguments are for, and which tools only read: each rule with what it decides and what it must not."""

from __future__ import annotations

from typing import Any

import pytest

from nhictl.core.policy.propose.collect import collect
from nhictl.core.policy.propose.roles import only_reads, roles
from nhictl.core.replay.event import Event
from tests.core.policy.propose_help import asked, call, runs


def role(path: str, *values: Any, result: Any = None) -> str:
    """The role of `args.PATH` with these values, each in a run of its own."""
    events: list[Event] = []
    for number, value in enumerate(values):
        events += [call("see.it", {}, run=f"r{number}", result=result)] if result is not None else []
        events.append(call("do.it", {path: value}, run=f"r{number}"))
    return roles(collect(events))["do.it", f"args.{path}"]


@pytest.mark.parametrize(
    ("path", "values", "expected"),
    [
        # the look of the values says it, whatever the name
        ("zzz", ("a@b.example", "c@d.example"), "address"),
        ("zzz", (["a@b.example", "c@d.example"],), "address"),
        ("zzz", ("https://a.example/x",), "place"),
        ("zzz", ("DE89370400440532013000",), "account"),
        ("zzz", ("/srv/data/a.csv",), "path"),
        ("zzz", ("2026-05-15",), "moment"),
        ("zzz", (3, 4.5), "number"),
        ("zzz", (True,), "flag"),
        ("zzz", ("two\nlines",), "text"),
        # an address in the place of prose is still where something goes, unless prose stands there too
        ("body", ("https://a.example/x",), "place"),
        ("body", ("https://a.example/x", "have a look"), "text"),
        ("recipient", ("a@b.example", "Mira"), "id"),
        # the name says it
        ("recipient", ("Mira", "Tom"), "id"),
        ("userName", ("Mira",), "id"),
        ("message_subject", ("Hello",), "text"),
        ("subject", ("Invoice20231234",), "text"),
        ("title", ("2026-05-15",), "text"),
        ("start", ("tomorrow",), "moment"),
        ("api_password", ("hunter2",), "secret"),
        ("record_id", (7, 8), "id"),
        # nothing says it
        ("colour", ("red", "blue"), "name"),
        ("attachments", ([{"file": 1}],), "opaque"),
    ],
)
def test_role(path: str, values: tuple[Any, ...], expected: str) -> None:
    assert role(path, *values) == expected


def test_names_from_earlier_results_name_something() -> None:
    assert role("hue", "crimson", "azure", result="- crimson\n- azure\n") == "id"
    assert role("hue", "crimson", "azure", result="- crimsonish\n- azured\n") == "name"


def test_results_of_other_runs_and_later_ones_do_not_count() -> None:
    later = [call("do.it", {"hue": "crimson"}, n=0), call("see.it", {}, n=1, result="crimson")]
    assert roles(collect(later))["do.it", "args.hue"] == "name"
    other = [call("see.it", {}, run="r1", result="crimson"), call("do.it", {"hue": "crimson"}, run="r2")]
    assert roles(collect(other))["do.it", "args.hue"] == "name"


def reads(tool: str, *given: dict[str, Any], result: str = "ok") -> bool:
    """Whether a tool seems to read, called so in a run each."""
    evidence = collect([call(tool, args, run=f"r{n}", result=result) for n, args in enumerate(given or ({},))])
    return only_reads(tool, evidence, roles(evidence))


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("get_invoice", True),
        ("listFiles", True),
        ("Read", True),
        ("mail.search", True),
        ("pay.status", True),
        ("order.list", True),
        ("get_scheduled_payment", True),
        ("send_message", False),
        ("update_status", False),
        ("mail.send", False),
        ("list.delete", False),
        ("read_and_delete", False),
        ("check_and_list", True),
        ("frobnicate", False),
        ("", False),
    ],
)
def test_only_reads_by_its_verb(tool: str, expected: bool) -> None:
    assert reads(tool or "_") is expected


def test_a_reading_name_that_is_given_prose_acts() -> None:
    assert not reads("get_answer", {"message": "dear all,\nplease find attached"})
    assert reads("get_answer", {"message": "short"})
    assert reads(
        "search_mail", {"query": "a rather long question that somebody typed into a search box, all in one line"}
    )


def test_without_a_verb_bulk_decides() -> None:
    given = [{"city": "Ulm"}] * 3
    assert reads("weather", *given, result="x" * 200)
    assert not reads("weather", *given, result="done")
    assert not reads("weather", *given[:2], result="x" * 200)
    assert not reads("delete_weather", *given, result="x" * 200)


def test_labels_and_messages_of_others_are_not_read() -> None:
    """What a foreign log says about itself, and what the agent or a tool said, changes nothing."""
    plain = runs("do.it", {"hue": "crimson"})
    labelled = runs("do.it", {"hue": "crimson"})
    said = asked("crimson", "r0")
    said.type = "message.assistant"
    labelled.insert(0, said)
    labelled[-1].ext = {"security": True, "bucket": "attack_success"}
    one, other = (collect(events).usage["work", "do.it"].arguments["args.hue"] for events in (plain, labelled))
    assert [v.asked for v in one.values.values()] == [v.asked for v in other.values.values()] == [0]
