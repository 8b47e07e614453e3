"""The written proposal: read back by the strict loader, allowing every call it was learnt from, whatever stands in a log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.propose import collect as collecting
from nhictl.core.policy.propose.collect import collect
from nhictl.core.policy.propose.evidence import MAX_VALUES
from nhictl.core.policy.propose.proposal import propose_rules, propose_scope
from nhictl.core.policy.propose.yaml_text import comment, flow, scalar
from nhictl.core.policy.yaml_events import read_yaml
from nhictl.core.replay.event import Event
from nhictl.errors import InputError
from nhictl.formats import read as read_log
from tests.core.policy.propose_help import INTENT, call, in_scope, permitted, rules, runs, scope

ROOT = Path(__file__).parents[3]
HOSTILE = [
    "a: b", "- a", "{a: 1}", "[a]", "&x y", "*x", "!!python/object:os.system", "<<", "? a", "| ", "> ", "%TAG", "---",
    "...", "#c", " # c", "a #c", "null", "~", "true", "no", "010", "0x1f", "1e3", ".nan", "12:30", "2026-05-15", '"', "'",
    "\\", "\\u0041", "a\nnhictl_scope: 1\nallow:\n  - tools: ['*']", "\r\n", "\t", " lead", "trail ", "", "é",
    "e\u0301", "\u202egnp.exe", "\u2028", "\x00", "\x1b[31m", "\x85", "\ufeff", "\ud800", "🙂", "[red]x[/red]",
    "=cmd|' /C calc'!A0", "</script>", "${x}", "`id`", "*", "a*b", "x" * 5000,
]  # fmt: skip
PLAIN = [
    "general",
    "a@b.example",
    "www.a.example/x",
    "DE89370400440532013000",
    "2026-05-15 16:00",
    "notes.txt",
    "two\nlines",
]
texts = st.sampled_from([*HOSTILE, *PLAIN, *PLAIN]) | st.text(max_size=12)
scalars = texts | st.booleans() | st.integers(-(10**45), 10**45) | st.floats() | st.none()
names = st.sampled_from(["to", "amount", "url", "body", "file", "id", "a b", "x.y", "", "password", "day"])
_CONTROLS = {chr(code) for code in (*range(9), 11, 12, *range(14, 32), *range(127, 160))}
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=2), max_leaves=4
)
tools = st.sampled_from(["get.it", "send.it", "frob", "a b", "x*y", "", "yes", "read_\u202ed", "post"])
intents = st.sampled_from([INTENT, INTENT, "other", None, "with space", "a: b"])
logs = st.lists(
    st.tuples(tools, st.dictionaries(names, values, max_size=3), st.sampled_from(["r1", "r2", "r3", "r4"]), intents),
    max_size=8,
)


@given(texts | st.integers() | st.booleans() | st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_scalars_are_read_back(value: Any) -> None:
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return
    line = f"a: {scalar(value)}\n"
    if isinstance(value, str) and not _CONTROLS.isdisjoint(value):
        with pytest.raises(InputError, match="control character"):
            read_yaml("t", line.encode())
        return
    node = read_yaml("t", line.encode())
    assert node.value["a"].value == value
    assert type(value) is not str or type(node.value["a"].value) is str
    if isinstance(value, str):
        assert yaml.safe_load(line) == {"a": value}, "another reader takes it for the same"


@pytest.mark.parametrize("text", HOSTILE)
def test_comments_stay_comments(text: str) -> None:
    written = comment(f"x {text}") + "\na: 1\n"
    assert len(written.splitlines()) == 2
    assert written.isprintable() or "\n" in written
    assert read_yaml("t", written.encode()).data() == {"a": 1}


def events_of(log: list[tuple[str, dict[str, Any], str, str | None]]) -> list[Event]:
    counted: Counter[str] = Counter()
    made = []
    for tool, args, run, intent in log:
        made.append(call(tool, args, run=run, n=counted[run], intent=intent))
        counted[run] += 1
    return made


def account(made: Any, events: list[Event], allows: Any) -> None:
    """Every call is covered, or one of those listed as left out with a reason."""
    left: Counter[str] = Counter()
    for each in made.left_out:
        assert each.calls > 0
        assert each.why
        left[each.tool] += each.calls
    denied = Counter(event.tool or "?" for event in events if not allows(event))
    assert denied == left


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs)
def test_a_scope_covers_what_it_was_learnt_from(log: list[Any]) -> None:
    events = events_of(log)
    evidence = collect(events)
    for intent in sorted({event.intent for event in events}, key=str):
        mine = [event for event in events if event.intent == intent]
        made = propose_scope(evidence, intent, None, {}, ["head \n- tools: ['*']"])
        if made.entries:
            account(made, mine, lambda event, made=made: event.tool and in_scope(made, event.tool, event.args))
        assert made.text == propose_scope(collect(events), intent, None, {}, ["head \n- tools: ['*']"]).text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs, st.booleans())
def test_rules_permit_what_they_were_learnt_from(log: list[Any], closed: bool) -> None:
    events = events_of(log)
    evidence = collect(events)
    wanted = sorted({event.intent for event in events}, key=str)
    made = propose_rules(evidence, wanted, {}, [], closed=closed)
    if made.entries:
        account(made, events, lambda event: event.tool and permitted(made, event.tool, event.args, event.intent))
        tools = parse_policy([("p", made.text.encode())]).tools
        assert all(not tool.open for tool in tools.values()) or not closed


@pytest.mark.parametrize("kind", [scope, rules])
def test_hostile_values_stay_data(kind: Any) -> None:
    """They choose values of conditions, and nothing else: the document has the boxes and permits of its tools."""
    events = [call("send.it", {"to": text, "id": text}, run=f"r{n}") for n, text in enumerate(HOSTILE)]
    node = read_yaml("t", kind(events).text.encode())
    held = node.value["allow" if kind is scope else "rules"].data()
    assert len(held) == 1
    assert set(held[0].get("when", {})) <= {"args.to", "args.id"}
    assert "\x1b" not in kind(events).text
    assert "\u202e" not in kind(events).text


def test_no_fresh_identifier_gets_in() -> None:
    """What a proposal pins is exactly what was seen: any other recipient is outside, in scope and rules alike."""
    events = runs("send.it", *({"to": f"p{n % 2}@a.example", "amount": 5, "body": f"b{n}"} for n in range(6)))
    for other in ("evil@a.example", "p0@a.example.evil.example", "P0@b.example", "", "p0@a.example,evil@x.example"):
        assert not in_scope(scope(events), "send.it", {"to": other, "amount": 5, "body": "b"})
        assert not permitted(rules(events), "send.it", {"to": other, "amount": 5, "body": "b"})
    assert permitted(rules(events), "send.it", {"to": "P0@A.example", "amount": 5, "body": "b"})
    assert not permitted(
        rules(events), "send.it", {"to": "p0@a.example", "amount": 5, "body": "b", "bcc": "e@x.example"}
    )
    assert not permitted(rules(events), "send.it", {"to": "p0@a.example", "amount": 6, "body": "b"})
    assert not permitted(rules(events), "send.it", {"to": "p0@a.example", "amount": 5, "body": "b"}, intent="other")
    assert not permitted(rules(events), "send.other", {"to": "p0@a.example", "amount": 5, "body": "b"})


def test_no_path_climbs_out_of_a_folder() -> None:
    for files in ([f"/srv/in/{n}.csv" for n in range(4)], [f"in/{n}.csv" for n in range(4)]):
        events = runs("write.it", *({"file": file} for file in files))
        for made, allows in ((scope(events), in_scope), (rules(events), permitted)):
            folder = files[0].rpartition("/")[0]
            assert allows(made, "write.it", {"file": f"{folder}/new.csv"})
            for out in (
                f"{folder}/../x",
                f"{folder}-evil/x",
                f"{folder}/..",
                "/etc/passwd",
                "../x",
                f"{folder}/./x",
                f"{folder}//x",
            ):
                assert not allows(made, "write.it", {"file": out}), out


def test_types() -> None:
    events = [
        call("send.it", {"to": ["a@b.example"], "amount": 5, "urgent": True, "at": "2026-05-15T16:00:00Z", "body": "b",
                         "by": {"iban": "DE89370400440532013000", "memo": "m"}, "files": ["/srv/a"]}),
    ]  # fmt: skip
    declared = read_yaml("t", rules(events).text.encode()).value["tools"].data()["send.it"]["args"]
    assert declared == {
        "amount": "number",
        "at": "timestamp",
        "body": {"type": "string", "optional": True},
        "by": {"type": {"iban": "string", "memo": {"type": "string", "optional": True}}},
        "files": ["path"],
        "to": ["email"],
        "urgent": "boolean",
    }


def test_a_type_is_that_of_most_calls_and_the_others_are_left_out() -> None:
    made = rules(runs("pay.it", {"amount": 5}, {"amount": 5}, {"amount": "5"}))
    assert read_yaml("t", made.text.encode()).value["tools"].data() == {"pay.it": {"args": {"amount": "number"}}}
    assert [(each.calls, each.why) for each in made.left_out] == [(1, "`args.amount` is not a number")]
    assert not permitted(made, "pay.it", {"amount": 6})
    assert in_scope(scope(runs("pay.it", {"amount": 5}, {"amount": 5}, {"amount": "5"})), "pay.it", {"amount": "5"})


def test_what_was_only_ever_null_or_empty_is_declared_and_kept_out_if_it_names_somebody() -> None:
    events = runs("send.it", {"to": "a@b.example", "cc": None, "bcc": [], "hue": None})
    made = rules(events)
    assert made.left_out == []
    assert permitted(made, "send.it", {"to": "a@b.example", "cc": [], "bcc": None, "hue": "red"})
    for extra in ({"cc": ["e@x.example"]}, {"bcc": ["e@x.example"]}):
        assert not permitted(made, "send.it", {"to": "a@b.example", **extra})
        assert not in_scope(scope(events), "send.it", {"to": "a@b.example", **extra})


def test_a_reading_tool_is_open_unless_closed_is_asked_for() -> None:
    events = runs("get.it", {"city": "Ulm"}, {"city": ["Ulm"]}, {"town": "Ulm"})
    assert read_yaml("t", rules(events).text.encode()).value["tools"].data() == {"get.it": {"args": "open"}}
    closed = rules(events, closed=True)
    assert permitted(closed, "get.it", {"city": "Bonn"})
    assert not permitted(closed, "get.it", {"village": "Ulm"})
    assert [(each.calls, each.why) for each in closed.left_out] == [(1, "`args.city` is not a string")]


def test_tools_are_grouped_under_the_same_conditions() -> None:
    events = [call("get.a", {}), call("get.b", {}, n=1), call("send.it", {"to": "a@b.example"}, n=2)]
    held = read_yaml("t", rules(events).text.encode()).value["rules"].data()
    assert [rule["match"]["tools"] for rule in held] == [["get.a", "get.b"], ["send.it"]]
    assert all(rule["effect"] == "permit" and rule["match"]["intents"] == [INTENT] for rule in held)


def test_high_impact_is_never_opened() -> None:
    events = [call("get.a", {}), call("pay.it", {"amount": 1}, n=1)]
    evidence = collect(events)
    for made in (
        propose_scope(evidence, INTENT, None, {"pay.it": "high"}, []),
        propose_rules(evidence, [INTENT], {"pay.it": "high"}, [], closed=False),
    ):
        assert [entry.tool for entry in made.entries] == ["get.a"]
        assert [each.to_json() for each in made.left_out] == [
            {"tool": "pay.it", "why": "high", "calls": 1, "places": ["r0#1"]}
        ]
        assert (made.calls, made.covered) == (2, 1)
        assert "pay.it: 1 call, high (r0#1)" in made.text


def test_types_of_a_catalogue_are_kept_to() -> None:
    """With a policy in force the scope speaks its types: what has no normal form there is left out of the list."""
    policy = parse_policy([("p", json.dumps({
        "nhictl_policy": 1, "tools": {"get.it": {"args": {"url": "uri"}}, "send.it": {"args": {"to": "string"}}},
    }).encode())])  # fmt: skip
    evidence = collect([call("get.it", {"url": "https://www.a.example"}), call("send.it", {"to": "a@b.example"}, n=1)])
    made = propose_scope(evidence, INTENT, policy, {}, [])
    assert (made.left_out, made.covered) == ([], 2)
    assert 'in: ["http://www.a.example", "http://www.a.example/", "https://www.a.example"' in made.text


def test_numbers_keep_every_digit() -> None:
    events = runs("send.it", {"amount": 0.1}, {"amount": 0.1}, {"amount": 0.1})
    assert "{eq: 0.1}" in scope(events).text
    assert flow({"a": [1, 1.5 and True, None]}) == "{a: [1, true, null]}"


def test_what_is_kept_is_bounded() -> None:
    """More values than are kept: not pinned one by one, said so; long texts are not looked for."""
    events = [
        call("send.it", {"to": f"n{n} x", "id": n}, run=f"r{n}", result="y" * 1000) for n in range(MAX_VALUES + 10)
    ]
    evidence = collect(events)
    assert len(evidence.known["send.it", "args.to"].values) == MAX_VALUES
    made = scope(evidence)
    assert len(made.text) < 20_000
    assert any("could not be pinned" in note for note in made.entries[0].notes)
    assert collecting.MAX_LOOKS < 100


def test_a_text_is_looked_through_once_for_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long run costs values times texts, not calls times texts; and it ends where the room for texts does."""
    looked: Counter[tuple[str, str]] = Counter()
    holds = collecting._holds
    monkeypatch.setattr(collecting, "_holds", lambda text, value: looked.update([(text, value)]) or holds(text, value))
    collect([call("send.it", {"to": "x", "id": "y"}, n=n, result=f"{n} " + "z" * 5000) for n in range(300)])
    assert set(looked.values()) == {1}
    assert {value for _, value in looked} == {"x", "y"}
    assert sum(len(text) for text, value in looked if value == "x") <= collecting.MAX_TEXT


def test_nothing_depends_on_the_order_of_sets() -> None:
    """Byte for byte the same in processes that hash differently."""
    script = (
        "from tests.core.policy.propose_help import *\n"
        "given = [{'to': f'p{n}@a{n % 3}.example', 'tag': 'xyz'[n % 3]} for n in range(9)]\n"
        "e = runs('send.it', *given)\n"
        "print(scope(e).text, rules(e).text)"
    )
    said = set()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
        said.add(done.stdout)
    assert len(said) == 1
    assert "args.to" in said.pop()


def test_from_a_recorded_run_of_our_own() -> None:
    sample = ROOT / "samples" / "runs" / "invoice-bot.json"
    events = read_log("agentdojo", sample.read_bytes(), run="run", file="run.json").events
    made = scope(events, "backoffice/pay_invoice")
    assert in_scope(made, "pay.send", {"to": {"iban": "DE00000000000000000012"}, "amount": 88.0, "currency": "EUR"})
    assert not in_scope(made, "pay.send", {"to": {"iban": "DE00000000000000000099"}, "amount": 88.0, "currency": "EUR"})
