"""Records in other systems' terms: what those require is there, every type is mapped, and nothing is made up."""

from __future__ import annotations

import csv
import io
import json
from hashlib import sha256
from typing import Any

import pytest

from nhictl.core.ledger import record
from nhictl.formats import log_csv, ocsf, timesketch
from nhictl.render.delimited import write_csv
from nhictl.render.result import Table

CHAIN, DOMAIN = "ab" * 32, "example.org"
FULL: dict[str, Any] = {
    "ts": "2026-06-01T12:00:00.250000Z", "type": "tool.called", "outcome": "deny",
    "actor": {"kind": "operator", "id": "uid:7", "host": "h1", "os_user": "ann"}, "agent": "report-bot", "inst": "one",
    "task": "t-0000000000000000", "jti": "JTI", "trace": "tr", "span": "s1", "pspan": "s0", "op": "execute_tool",
    "tool": "reports.read", "call": "c1", "dec": {"effect": "deny", "reason": "not_permitted", "rules": ["R-1", "R-2"]},
    "c": {"args": "x" * 43}, "src": {"state": "claimed"}, "ext": {"time": "2026-06-01T11:59:59.000000Z"},
}  # fmt: skip
BARE: dict[str, Any] = {"ts": "2026-06-01T12:00:00.000000Z", "type": "policy.activated", "outcome": "ok"}


def made(fields: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    line = record.encode(fields, "0" * 64)
    return line, record.decode(line)


def as_ocsf(fields: dict[str, Any]) -> dict[str, Any]:
    line, members = made(fields)
    return ocsf.event(7, line, members, CHAIN, DOMAIN, "0.1.0")


REQUIRED = {  # of OCSF 1.8.0: base_event, api_activity, and the objects in them; "a|b" is at least one
    "": ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid", "actor", "api",
         "src_endpoint"],
    "metadata": ["product", "version"],
    "metadata.product": ["name|uid"],
    "actor": ["process|user|invoked_by|session|app_name|app_uid"],
    "actor.user": ["name|uid"],
    "api": ["operation"],
    "api.service": ["name|uid"],
    "src_endpoint": ["ip|uid|name|hostname|svc_name|instance_uid|interface_uid|interface_name|domain"],
    "api.request": ["uid"],
    "trace": ["uid"],
    "raw_data_hash": ["algorithm_id", "value"],
}  # fmt: skip


@pytest.mark.parametrize("fields", [FULL, BARE, BARE | {"actor": {"kind": "ci"}}], ids=["full", "bare", "nobody"])
def test_ocsf_has_what_its_class_requires(fields: dict[str, Any]) -> None:
    event = as_ocsf(fields)
    for place, names in REQUIRED.items():
        here: Any = event
        for part in place.split(".") if place else []:
            here = here.get(part) if here is not None else None
        if here is None and place in ("api.request", "trace"):
            continue
        for name in names:
            assert any(one in here for one in name.split("|")), (place, name)
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert None not in event.values()
    assert json.loads(json.dumps(event)) == event


def test_ocsf_field_by_field() -> None:
    line, _ = made(FULL)
    event = as_ocsf(FULL)
    said = {
        "time": 1780315200250, "activity_id": 2, "status_id": 2, "status_code": "not_permitted", "severity_id": 3,
        "resources": [{"uid": FULL["task"], "type": "task"}], "trace": {"uid": "tr"}, "raw_data": line.decode(),
        "raw_data_size": len(line), "src_endpoint": {"hostname": "h1", "instance_uid": "one"},
        "api": {"operation": "reports.read", "service": {"name": "nhictl"}, "request": {"uid": "c1"},
                "response": {"error": "not_permitted"}},
        "actor": {"user": {"uid": "uid:7", "name": "ann"}, "app_name": "report-bot",
                  "app_uid": "spiffe://example.org/agent/report-bot", "session": {"uid": "JTI"}},
    }  # fmt: skip
    assert {name: event[name] for name in said} == said
    assert event["raw_data_hash"]["value"] == sha256(line).hexdigest()
    meta = event["metadata"]
    assert (meta["sequence"], meta["uid"], meta["event_code"]) == (7, f"{CHAIN}:7", "tool.called")
    assert (meta["correlation_uid"], meta["original_time"]) == (FULL["task"], "2026-06-01T11:59:59.000000Z")
    assert (meta["version"], meta["log_name"], meta["profiles"]) == ("1.8.0", f"nhictl/{CHAIN}", ["trace"])
    extra = event["unmapped"]
    assert extra["gen_ai.agent.id"] == "spiffe://example.org/agent/report-bot"
    assert (extra["gen_ai.operation.name"], extra["gen_ai.tool.name"]) == ("execute_tool", "reports.read")
    assert (extra["gen_ai.agent.name"], extra["gen_ai.tool.call.id"]) == ("report-bot", "c1")
    assert extra["nhictl.c"] == FULL["c"]
    assert extra["nhictl.src"] == FULL["src"]
    lost = {name for name in FULL if f"nhictl.{name}" not in extra} - ocsf._MAPPED
    assert lost == set()


def test_every_record_type_has_an_activity() -> None:
    named = [kind for kinds in ocsf.ACTIVITY.values() for kind in kinds.split()]
    assert sorted(named) == sorted(record.TYPES)
    for kind in record.TYPES:
        assert as_ocsf(BARE | {"type": kind})["activity_id"] in (1, 2, 3, 4, 99)
    assert ocsf.activity("of.tomorrow") == 99


@pytest.mark.parametrize("outcome", sorted(record.OUTCOMES))
def test_outcomes(outcome: str) -> None:
    event = as_ocsf(BARE | {"outcome": outcome})
    assert (event["status_id"] == 1) == (outcome == "ok")
    assert ("response" in event["api"]) == (outcome != "ok")


def test_timesketch_field_by_field() -> None:
    line, members = made(FULL)
    event = timesketch.event(7, line, members, CHAIN)
    assert event == {
        "message": "tool.called reports.read deny agent report-bot (not_permitted)", "datetime": FULL["ts"],
        "timestamp": 1780315200250000, "timestamp_desc": "Record Written", "data_type": "nhictl:tool.called", "seq": 7,
        "chain": CHAIN, "username": "ann", "hostname": "h1", "agent": "report-bot", "instance": "one", "task": FULL["task"],
        "jti": "JTI", "tool": "reports.read", "call_id": "c1", "operation": "execute_tool", "trace_id": "tr",
        "span_id": "s1", "parent_span_id": "s0", "outcome": "deny", "decision": "deny", "reason": "not_permitted",
        "rules": "R-1 R-2", "evidence": "claimed", "claimed_time": "2026-06-01T11:59:59.000000Z",
        "record_hash": record.next_prev(line),
    }  # fmt: skip
    line, members = made(BARE)
    bare = timesketch.event(0, line, members, CHAIN)
    assert {"message", "datetime", "timestamp_desc"} <= set(bare)
    assert None not in bare.values()
    assert bare["evidence"] == "recorded"


def test_csv_escapes_what_a_spreadsheet_would_compute() -> None:
    hostile = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", '=HYPERLINK("http://x","y")', " =1", "＝1"]
    rows = []
    for tool in hostile:
        line, members = made(FULL | {"tool": tool})
        rows.append(log_csv.row(-7, line, members))
    out = io.StringIO()
    write_csv(Table(log_csv.COLUMNS, rows), out)
    read = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [one["tool"] for one in read] == ["'" + tool for tool in hostile]
    assert read[0]["seq"] == "-7"
    assert tuple(read[0]) == log_csv.COLUMNS
    line, members = made(BARE)
    assert len(log_csv.row(0, line, members)) == len(log_csv.COLUMNS)
