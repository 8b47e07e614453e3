"""How values become conditions: every rule where it applies, and just beside it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.policy.propose_help import INTENT, asked, call, entry, in_scope, rules, runs, scope, when


def of(path: str, *values: Any, tool: str = "send.it", prompt: str | None = None) -> dict[str, Any]:
    """The condition on `args.PATH` that so many runs lead to."""
    events = runs(tool, *({path: value} for value in values), prompt=prompt)
    return dict(when(events).get(f"args.{path}", {}))


def test_identifiers_are_enumerated() -> None:
    assert of("to", "a@b.example") == {"eq": "a@b.example"}
    assert of("to", "a@b.example", "c@d.example", "c@d.example") == {"in": ["a@b.example", "c@d.example"]}


def test_identifiers_are_pinned_though_every_run_brought_another() -> None:
    seen = [f"p{n}@host{n}.example" for n in range(6)]
    assert of("to", *seen) == {"in": seen}


@pytest.mark.parametrize(
    ("path", "seen", "expected"),
    [
        ("to", [f"p{n}@corp.example" for n in range(4)], {"glob": "*@corp.example"}),
        ("to", [f"p{n}@corp.example" for n in range(3)], None),  # three are not many
        ("to", [f"p{n}@corp.example" for n in range(4)] * 2, None),  # no run brought one of its own
        ("link", [f"s3://bucket/in/{n}" for n in range(4)], {"under": "s3://bucket/in"}),
        ("link", [f"s3://bucket{n}/in" for n in range(4)], None),  # no host in common
        ("file", [f"/srv/in/{n}.csv" for n in range(4)], {"under": "/srv/in"}),
        ("file", [f"/srv{n}/in.csv" for n in range(4)], None),  # the root is no folder
        ("key", ["INV-01x", "INV-17y", "INV-23z", "INV-99w"], {"starts_with": "INV-"}),
        ("key", ["INVa", "INVb", "INVc", "INVd"], None),  # no mark ends what they share
        ("key", ["a-1", "a-2", "a-3", "a-4"], None),  # too short to mean anything
    ],
)
def test_prefix(path: str, seen: list[str], expected: dict[str, Any] | None) -> None:
    got = of(path, *seen, prompt=" ".join(seen))
    assert got == (expected or {"in": sorted(set(seen))})


def test_a_prefix_ends_where_a_segment_does() -> None:
    made = scope(runs("send.it", *({"link": f"s3://bucket/in/{n}"} for n in range(4))))
    assert in_scope(made, "send.it", {"link": "s3://bucket/in/99"})
    assert not in_scope(made, "send.it", {"link": "s3://bucket/in-evil/99"})
    assert not in_scope(made, "send.it", {"link": "s3://bucket-evil/in/99"})


def test_names_that_the_agent_made_up_are_not_pinned() -> None:
    assert of("file", "plan.txt", "my-plan.txt", "a.txt") == {}
    assert of("file", "/srv/a/plan.txt", "/srv/a/my.txt", "/srv/a/a.txt") == {"under": "/srv/a"}
    assert of("file", "plan.txt", "my-plan.txt", "a.txt", prompt="plan.txt my-plan.txt a.txt") != {}
    assert of("file", "plan.txt", "plan.txt", "plan.txt") == {"eq": "plan.txt"}
    assert of("to", "a@b.example", "c@d.example", "e@f.example") != {}, "addresses are never excused"


def test_what_nobody_varied_is_pinned_and_what_somebody_did_is_not() -> None:
    assert of("colour", "red", "red", "red") == {"eq": "red"}
    assert of("colour", "red", "red", "blue", "blue") == {"in": ["blue", "red"]}
    # one run has a value of its own, so the next may, too; another argument holds the tool
    events = runs("send.it", *({"to": "a@b.example", "colour": c} for c in ("red", "red", "blue")))
    assert "args.colour" not in when(events)


def test_few_runs_are_all_there_is() -> None:
    assert of("colour", "red", "blue") == {"in": ["blue", "red"]}


def test_quantities() -> None:
    assert of("amount", 10, 10.0, 10) == {"eq": 10}
    assert of("amount", 5, 7.5, 10, 10) == {"gte": 0, "lte": 10}
    assert of("amount", -5, 1, 10) == {"gte": -5, "lte": 10}


def test_moments() -> None:
    assert of("when", "2026-05-15 16:00", "2026-05-15T16:00:00", "2026-05-15 16:00") == {
        "in": ["2026-05-15 16:00", "2026-05-15 16:00:00", "2026-05-15T16:00", "2026-05-15T16:00:00"]
    }
    same_day = ("2026-05-15 16:00", "2026-05-15 17:00", "2026-05-15 17:30")
    assert of("when", *same_day) == {"starts_with": "2026-05-15"}
    events = runs("send.it", *({"to": "a@b.example", "when": w} for w in (*same_day, "2026-05-16")))
    assert "args.when" not in when(events)


def test_flags_keep_to_what_was_seen() -> None:
    assert of("urgent", False, False, False) == {"eq": False}
    assert of("urgent", False, True, False) == {"in": [False, True]}


def test_prose_is_open_unless_it_is_what_the_person_wrote() -> None:
    said = "please write: gone fishing"
    events = runs("send.it", *({"to": "a@b.example", "body": "gone fishing"} for _ in range(5)), prompt=said)
    assert when(events)["args.body"] == {"eq": "gone fishing"}
    assert "args.body" not in when(events[:-2]), "four runs are too few"
    events[-1].args["body"] = "Gone fishing!"
    assert "args.body" not in when(events), "one run put it differently"
    unasked = runs("send.it", *({"to": "a@b.example", "body": "gone fishing"} for _ in range(5)), prompt="tell him")
    assert "args.body" not in when(unasked)


def test_web_addresses_in_any_spelling() -> None:
    made = scope(runs("post.it", {"url": "www.a.example"}))
    for spelt in ("www.a.example", "http://www.a.example", "https://www.a.example/"):
        assert in_scope(made, "post.it", {"url": spelt})
    for other in (
        "www.a.example.evil.example",
        "https://www.a.example/x",
        "https://www.a.example@evil.example",
        "ftp://www.a.example",
    ):
        assert not in_scope(made, "post.it", {"url": other})


def test_reading_is_pinned_to_places_and_else_open() -> None:
    assert of("url", "www.a.example", tool="get.it") != {}
    assert of("query", "a", tool="find.it") == {}
    assert of("name", "a", tool="find.it") == {}
    assert of("file", "notes.txt", tool="read.it") == {}
    assert of("file", "/srv/a/x", "/srv/a/y", tool="read.it") == {"in": ["/srv/a/x", "/srv/a/y"]}
    assert of("token", "x", tool="read.it") == {}
    assert of("password", "x", tool="read.it") == {"eq": "x"}


def test_an_optional_argument_may_stay_away() -> None:
    events = runs(
        "send.it", {"to": "a@b.example", "cc": "c@d.example"}, {"to": "a@b.example"}, {"to": "a@b.example", "cc": None}
    )
    assert when(events) == {
        "args.cc": {"eq": "c@d.example", "absent_ok": True},
        "args.to": {"eq": "a@b.example"},
    }


def test_what_another_task_gave_is_kept_out_of_this_one() -> None:
    other = call("send.it", {"to": "x@y.example", "bcc": "z@y.example", "urgent": True, "body": "b", "hue": "red", "amount": 3},
                 run="o", intent="other")  # fmt: skip
    made = when([*runs("send.it", {"to": "a@b.example"}), other])
    assert made == {
        "args.to": {"eq": "a@b.example"},
        "args.bcc": {"has": False},
        "args.amount": {"has": False},
        "args.urgent": {"eq": False, "absent_ok": True},
    }


def test_a_denied_call_shows_what_a_tool_can_take_and_is_no_precedent() -> None:
    denied = call("send.it", {"to": "evil@x.example", "bcc": "z@y.example"}, run="d", outcome="denied")
    never = call("wipe.it", {"all": True}, run="d", outcome="not_executed")
    events = [*runs("send.it", {"to": "a@b.example"}), denied, never]
    assert when(events) == {"args.to": {"eq": "a@b.example"}, "args.bcc": {"has": False}}
    made = scope(events)
    assert "evil" not in made.text
    assert any(line.startswith("wipe.it: 1 call denied or never executed") for line in made.not_seen)


def test_a_tool_that_acts_is_held_by_something() -> None:
    """Only prose, all but one run the same: that one argument holds it; where nothing repeats a note says so."""
    steady = [{"title": "Weekly sync"}] * 19 + [{"title": "Sync, weekly"}]
    made = entry(runs("create.it", *steady))
    assert made.when == {"args.title": {"in": ["Sync, weekly", "Weekly sync"]}}
    loose = entry(runs("create.it", *({"title": f"title {n}"} for n in range(6))))
    assert loose.when == {}
    assert any("nothing that was seen holds this tool" in note for note in loose.notes)


def test_notes_say_where_a_value_came_from() -> None:
    events = [asked("pay Mira"), call("read.it", {}, result="iban: DE89370400440532013000"),
              call("pay.it", {"iban": "DE89370400440532013000"}, n=1, outcome="error")]  # fmt: skip
    notes = entry(events, "pay.it").notes
    assert "`args.iban` was read in earlier results and not asked for: DE89370400440532013000" in notes
    assert "`args.iban` was only ever given in calls that failed: DE89370400440532013000" in notes
    events[0] = asked("pay DE89370400440532013000")
    assert not any("not asked for" in note for note in entry(events, "pay.it").notes)


def test_secrets_are_noted() -> None:
    made = entry(runs("set.it", {"password": "hunter2"}))
    assert made.when == {"args.password": {"eq": "hunter2"}}
    assert any("looks like a secret" in note for note in made.notes)


def test_lists_and_objects() -> None:
    events = runs(
        "send.it", {"to": ["a@b.example", "c@d.example"], "by": {"iban": "DE89370400440532013000", "memo": "x"}}
    )
    made = scope(events)
    assert in_scope(made, "send.it", {"to": ["c@d.example"], "by": {"iban": "DE89370400440532013000", "memo": "y"}})
    assert not in_scope(
        made, "send.it", {"to": ["c@d.example", "e@f.example"], "by": {"iban": "DE89370400440532013000"}}
    )
    assert not in_scope(made, "send.it", {"to": ["c@d.example"], "by": {"iban": "GB29NWBK60161331926819"}})


def test_resources_are_pinned() -> None:
    events = [call("open.it", {}, run=f"r{n}", resource=f"s3://data/in/{n}") for n in range(4)]
    assert when(events) == {"resource": {"under": "s3://data/in"}}
    assert "resource: uri" in rules(events).text


def test_intents_do_not_lend_to_one_another() -> None:
    events = [
        call("send.it", {"to": "a@b.example"}, run="1"),
        call("send.it", {"to": "c@d.example"}, run="2", intent="other"),
    ]
    assert not in_scope(scope(events), "send.it", {"to": "c@d.example"})
    assert in_scope(scope(events, "other"), "send.it", {"to": "c@d.example"})
    assert scope(events).entries[0].intent == INTENT
