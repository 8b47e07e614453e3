"""Folding our own records into events: pairing, numbering, content that is gone, imports."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from nhictl.core.replay import own
from nhictl.core.replay.event import ADDITIONS, FIELDS, Event, summary
from nhictl.errors import InputError

TS = "2026-03-01T10:00:00.000000Z"


def record(kind: str, /, outcome: str = "ok", **fields: Any) -> dict[str, Any]:
    return {"v": 1, "ts": TS, "type": kind, "outcome": outcome, **fields}


def called(call: str | None = "c1", /, task: str = "t1", **fields: Any) -> dict[str, Any]:
    given = {"call": call} if call is not None else {}
    return record("tool.called", **{"task": task, "agent": "bot", "tool": "crm.read", **given, **fields})


def returned(call: str | None = "c1", /, task: str = "t1", **fields: Any) -> dict[str, Any]:
    given = {"call": call} if call is not None else {}
    return record("tool.returned", **{"task": task, "agent": "bot", "tool": "crm.read", **given, **fields})


def fold(*records: dict[str, Any], content: dict[tuple[int, str], Any] | None = None) -> own.Replayed:
    known = content or {}
    return own.fold(enumerate(records), lambda seq, label: known.get((seq, label)))


def told(replayed: own.Replayed) -> list[tuple[Any, ...]]:
    return [(event.type, event.run, event.n, event.outcome, event.seq, event.ended_seq) for event in replayed.events]


Rows = list[tuple[Any, ...]]
CALL = "tool.called"
BACK = "tool.returned"
FOLDS: dict[str, tuple[list[dict[str, Any]], Rows, int]] = {
    "a call and its result": ([called(), returned()], [(CALL, "t1", 0, "ok", 0, 1)], 0),
    "a failed one": ([called(), returned(outcome="error")], [(CALL, "t1", 0, "error", 0, 1)], 0),
    "no result": ([called()], [(CALL, "t1", 0, "unknown", 0, None)], 1),
    "denied": ([called(outcome="deny")], [(CALL, "t1", 0, "denied", 0, None)], 0),
    "denied, then a result": (
        [called(outcome="deny"), returned()],
        [(CALL, "t1", 0, "denied", 0, None), (BACK, "t1", None, "ok", 1, None)],
        1,
    ),
    "error at once": ([called(outcome="error")], [(CALL, "t1", 0, "error", 0, None)], 0),
    "result in the same record": ([called(c={"result": "x"})], [(CALL, "t1", 0, "ok", 0, 0)], 1),
    "parallel, out of order": (
        [called("a"), called("b"), returned("b", outcome="error"), returned("a")],
        [(CALL, "t1", 0, "ok", 0, 3), (CALL, "t1", 1, "error", 1, 2)],
        0,
    ),
    "same id in two tasks": (
        [called(), called(task="t2"), returned(task="t2")],
        [(CALL, "t1", 0, "unknown", 0, None), (CALL, "t2", 0, "ok", 1, 2)],
        1,
    ),
    "same id again": (
        [called(), returned(), called(), returned(outcome="error")],
        [(CALL, "t1", 0, "ok", 0, 1), (CALL, "t1", 1, "error", 2, 3)],
        0,
    ),
    "same id, another tool": (
        [called(), called(tool="crm.write"), returned(tool="crm.write")],
        [(CALL, "t1", 0, "unknown", 0, None), (CALL, "t1", 1, "ok", 1, 2)],
        1,
    ),
    "result before its call": (
        [returned(), called()],
        [(BACK, "t1", None, "ok", 0, None), (CALL, "t1", 0, "unknown", 1, None)],
        2,
    ),
    "no id, one open call": ([called(None), returned(None)], [(CALL, "t1", 0, "ok", 0, 1)], 0),
    "no id, two open calls": (
        [called(None), called(None), returned(None)],
        [(CALL, "t1", 0, "unknown", 0, None), (CALL, "t1", 1, "unknown", 1, None), (BACK, "t1", None, "ok", 2, None)],
        2,
    ),
    "no id, another agent": (
        [called(None), returned(None, agent="other")],
        [(CALL, "t1", 0, "unknown", 0, None), (BACK, "t1", None, "ok", 1, None)],
        2,
    ),
    "other records are not numbered": (
        [record("task.opened", task="t1"), record("token.used", task="t1", tool="x"), called(), returned()],
        [("task.opened", "t1", None, "ok", 0, None), ("token.used", "t1", None, "ok", 1, None),
         (CALL, "t1", 0, "ok", 2, 3)],
        0,
    ),
    "a denial of a token": (
        [record("token.denied", outcome="deny", task="t1", tool="x")],
        [("token.denied", "t1", None, "denied", 0, None)],
        0,
    ),
    "no task": ([record("log.genesis")], [("log.genesis", None, None, "ok", 0, None)], 0),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDS)
def test_calls_fold(name: str) -> None:
    records, expected, gaps = FOLDS[name]
    replayed = fold(*records)
    assert told(replayed) == expected
    assert len(replayed.unproven) == gaps


def test_fields_come_from_the_record() -> None:
    decision = {"effect": "deny", "reason": "not_permitted", "policy": "p", "pdig": "sha256:0", "rules": ["r"]}
    use = record(
        "token.denied", outcome="deny", agent="a", inst="i", task="t", jti="j", trace="tr", span="s", pspan="ps",
        op="o", tool="x", call="c", scope="sha256:1", dec=decision, ext={"k": 1}, c={"args": "00"},
        **{"del": "d", "pdel": "pd"},
    )  # fmt: skip
    (event,) = fold(use, content={(0, "args"): {"amount": 1.0}}).events
    made = event.to_json()
    assert tuple(made)[:15] == FIELDS
    assert [name for name in made if name not in FIELDS] == [name for name in ADDITIONS if name in made]
    assert made == {
        "n": None, "time": TS, "run": "t", "agent": "a", "task": "t", "span": "s", "parent": "ps",
        "type": "token.denied", "tool": "x", "call": "c", "args": {"amount": 1.0}, "result": None,
        "outcome": "denied", "decision": decision, "evidence": "recorded", "seq": 0, "jti": "j", "inst": "i",
        "trace": "tr", "op": "o", "scope": "sha256:1", "delegation": "d", "parent_delegation": "pd", "ext": {"k": 1},
    }  # fmt: skip


def test_a_result_brings_its_content_and_what_it_says_besides() -> None:
    replayed = fold(
        called(c={"args": "0"}),
        returned(c={"result": "1"}, outcome="error", ext={"error": "timed out"}, src={"state": "claimed"}),
        content={(0, "args"): {"id": 7}, (1, "result"): None},
    )
    (event,) = replayed.events
    assert (event.args, event.result, event.error) == ({"id": 7}, None, "timed out")
    assert event.evidence == "recorded"
    assert event.ext == {"returned": {"error": "timed out", "evidence": "claimed"}}
    assert replayed.unproven == ["results erased or not at hand: record 1"]


def test_sealed_labels_find_their_fields() -> None:
    labels = {"prompt": "hi", "res": "crm://1", "principal": "odile", "odd": [1]}
    (event,) = fold(
        record("task.opened", task="t", src={"state": "claimed"}, c=dict.fromkeys(labels, "00")),
        content={(0, label): value for label, value in labels.items()},
    ).events
    assert (event.content, event.resource, event.principal) == ("hi", "crm://1", "odile")
    assert (event.ext, event.evidence) == ({"odd": [1]}, "claimed")


def test_content_is_asked_for_only_where_the_record_commits_to_it() -> None:
    asked = []

    def content(seq: int, label: str) -> Any:
        asked.append((seq, label))
        return "x"

    own.fold([(4, called(c={"args": "0"})), (9, returned())], content)
    assert asked == [(4, "args")]


def test_missing_content_is_said_once_for_each_label() -> None:
    many = [called(f"c{place}", c={"args": "0", "result": "0"}) for place in range(12)]
    assert fold(*many).unproven == [
        "arguments erased or not at hand: records 0, 1, 2, 3, 4, 5, 6, 7 and 4 more",
        "results erased or not at hand: records 0, 1, 2, 3, 4, 5, 6, 7 and 4 more",
    ]


DATA = b"the source"
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()


def again(importer: str, data: bytes, run: str) -> list[Event]:
    if importer == "broken":
        raise InputError("no such thing")
    assert data == DATA
    event = Event("token.revoked", evidence="imported", run=run)
    return [event]


IMPORTS: dict[str, tuple[dict[str, Any], Any, bool, str | None]] = {
    "read again": ({"src": {"imp": "agentdojo", "file": DIGEST}, "ext": {"run": "r"}}, DATA, True, None),
    "no digest recorded": ({"src": {"imp": "agentdojo"}, "ext": {"run": "r"}}, DATA, True, None),
    "erased": ({"src": {"imp": "agentdojo", "file": DIGEST}, "ext": {"run": "r"}}, None, True, "erased or not at hand"),
    "another file": ({"src": {"imp": "agentdojo", "file": DIGEST}, "ext": {"run": "r"}}, b"x", True, "not the one"),
    "unreadable": ({"src": {"imp": "broken", "file": DIGEST}, "ext": {"run": "r"}}, DATA, True, "no such thing"),
    "no importer named": ({"src": {"file": DIGEST}, "ext": {"run": "r"}}, DATA, True, "nothing here reads"),
    "no run named": ({"src": {"imp": "agentdojo", "file": DIGEST}}, DATA, True, "nothing here reads"),
    "nobody to read": ({"src": {"imp": "agentdojo", "file": DIGEST}, "ext": {"run": "r"}}, DATA, False, "nothing here"),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_imports(name: str) -> None:
    fields, data, reader, why = IMPORTS[name]
    entry = {**record("log.imported", c={"source": "00"}), **fields}
    replayed = own.fold([(3, entry), (4, record("log.exported"))], lambda _seq, _label: data, again if reader else None)
    types = [(event.type, event.evidence, event.seq) for event in replayed.events]
    inner = [("token.revoked", "imported", None)] if why is None else []
    assert types == [("log.imported", "recorded", 3), *inner, ("log.exported", "recorded", 4)]
    if why is None:
        assert replayed.unproven == []
    else:
        (sentence,) = replayed.unproven
        assert sentence.startswith("record 3: ")
        assert why in sentence


def test_summary_counts() -> None:
    events = fold(called("a"), returned("a"), called("b", task="t2", outcome="deny"), record("log.genesis")).events
    assert summary(events) == {
        "events": 3, "calls": 2, "runs": 2, "types": {"log.genesis": 1, "tool.called": 2},
        "outcomes": {"denied": 1, "ok": 2}, "agents": {"bot": 2},
    }  # fmt: skip
    assert summary([])["events"] == 0


def test_the_same_records_give_the_same_bytes() -> None:
    records, _, _ = FOLDS["parallel, out of order"]
    first, second = (json.dumps([event.to_json() for event in fold(*records).events]) for _ in range(2))
    assert first == second
