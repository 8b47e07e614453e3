"""CloudTrail: three shapes of file, who acted, how it ended, duplicates, order."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from nhictl import formats
from tests.formats.logs import calls, check, lines, read, told

USER = {"type": "IAMUser", "arn": "arn:aws:iam::1:user/ann", "userName": "ann", "accessKeyId": "AKIA"}


def event(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.09", "eventTime": f"2026-03-01T10:00:{number:02}Z", "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject", "eventType": "AwsApiCall", "userIdentity": USER, "requestID": f"r{number}",
        "eventID": f"e{number}", "requestParameters": {"bucketName": "b", "n": 1}, "responseElements": None, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    "shape", ["records", "pretty", "list", "lines", "records a line", "gzip", "mark", "crlf", "looked up"]
)
def test_shapes(shape: str) -> None:
    events = [event(2), event(1), event(3, errorCode="AccessDenied")]
    data = {
        "records": json.dumps({"Records": events}).encode(),
        "pretty": json.dumps({"Records": events}, indent=2).encode(),
        "list": json.dumps(events, indent=1).encode(),
        "lines": lines(*events),
        "records a line": lines({"Records": events[:2]}, {"Records": events[2:]}),
        "gzip": gzip.compress(json.dumps({"Records": events}).encode()),
        "looked up": json.dumps(
            {"Events": [{"EventId": "x", "CloudTrailEvent": json.dumps(one)} for one in events]}, indent=2
        ).encode(),
        "mark": b"\xef\xbb\xbf" + json.dumps({"Records": events}).encode(),
        "crlf": lines(*events).replace(b"\n", b"\r\n"),
    }[shape]
    assert formats.sniff(data) == "cloudtrail"
    made = formats.read("cloudtrail", data, run="trail", file="f")
    check(made)
    assert (made.parsed, made.opaque, made.failed, made.problems) == (3, 0, 0, [])
    assert [(c.n, c.span, c.outcome) for c in calls(made)] == [(0, "e1", "ok"), (1, "e2", "ok"), (2, "e3", "denied")]


WHO: list[tuple[dict[str, Any] | None, str | None]] = [
    (USER, "arn:aws:iam::1:user/ann"),
    ({"type": "Root", "principalId": "1", "arn": "arn:aws:iam::1:root", "accountId": "1"}, "arn:aws:iam::1:root"),
    ({"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/ops/bot"}, "arn:aws:sts::1:assumed-role/ops/bot"),
    ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, "ec2.amazonaws.com"),
    ({"type": "AWSAccount", "accountId": "7", "principalId": "AIDA"}, "AIDA"),
    ({"type": "WebIdentityUser", "principalId": "p", "userName": "repo:x"}, "repo:x"),
    ({"type": "Unknown"}, "Unknown"),
    ({}, None),
    (None, None),
]


@pytest.mark.parametrize(("identity", "name"), WHO)
def test_who_acted_is_a_principal_and_never_an_agent(identity: Any, name: str | None) -> None:
    (call,) = calls(read("cloudtrail", event(userIdentity=identity)))
    assert (call.principal, call.agent, call.task, call.intent) == (name, None, None, None)


ENDED = [
    ({}, "ok"), ({"errorCode": "AccessDenied"}, "denied"), ({"errorCode": "Client.UnauthorizedOperation"}, "denied"),
    ({"errorCode": "NoSuchBucket", "errorMessage": "none"}, "error"), ({"errorMessage": "odd"}, "error"),
    ({"errorCode": "ThrottlingException"}, "error"), ({"errorCode": "AccessDeniedSoon"}, "error"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "outcome"), ENDED)
def test_how_it_ended(more: dict[str, Any], outcome: str) -> None:
    ((tool, args, call, found, _),) = told(read("cloudtrail", event(**more)))
    assert (tool, args, call, found) == ("s3:GetObject", {"bucketName": "b", "n": 1}, "r1", outcome)


def test_what_nobody_called() -> None:
    signed_in = event(2, eventType="AwsConsoleSignIn", eventName="ConsoleLogin")
    made = read("cloudtrail", event(1, eventType="AwsServiceEvent"), signed_in, event(3, eventType="AwsNewThing"),
                event(4, eventName=None), {"other": 1})  # fmt: skip
    assert [e.type for e in made.events] == [
        "note.AwsServiceEvent",
        "note.AwsConsoleSignIn",
        "opaque",
        "failed",
        "opaque",
    ]
    assert calls(made) == []


def test_an_event_twice_is_one_call() -> None:
    other = event(3, eventID="e9", sharedEventID="x")
    made = read("cloudtrail", event(1), event(1), event(2, sharedEventID="x"), other)
    assert [(e.type, e.span) for e in made.events] == [
        ("tool.called", "e1"), ("note.duplicate", "e1"), ("tool.called", "e2"), ("note.duplicate", "e9"),
    ]  # fmt: skip


def test_resources() -> None:
    one = {"ARN": "arn:aws:s3:::b/k", "accountId": "1"}
    made = read("cloudtrail", event(1, resources=[one]), event(2, resources=[one, {"ARN": "arn:aws:s3:::b"}]), event(3))
    assert [call.resource for call in calls(made)] == ["arn:aws:s3:::b/k", None, None]


@pytest.mark.parametrize("cut", [40, 300, 700, 1100])
def test_a_file_cut_short_tells_what_is_there(cut: int) -> None:
    data = json.dumps({"Records": [event(1), event(2), event(3)]}).encode()
    made = formats.read("cloudtrail", data[:cut], run="r", file="f") if cut > 500 else None
    if made is None:
        with pytest.raises(formats.ForeignFormatError):
            formats.read("cloudtrail", data[:cut], run="r", file="f")
        return
    check(made)
    assert made.failed == 1
    assert made.parsed == data[:cut].count(b'"responseElements": null}')
    (failed,) = [e for e in made.events if e.type == "failed"]
    assert failed.source is not None
    assert data[:cut][failed.source["offset"] :].decode().startswith(failed.content[:20])
    assert failed.source["offset"] + failed.source["length"] == cut
