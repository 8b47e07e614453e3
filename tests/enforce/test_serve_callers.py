"""Who may ask a served home what: by the kernel's word on the socket, by a secret or a token over TCP, else nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from nhictl.core import caller_file
from nhictl.errors import InputError
from nhictl.ops import callers, introspect, separation
from nhictl.ops.callers import Callers
from nhictl.ops.revoke_token import Selector, revoke
from tests.enforce.served import Served, evaluation
from tests.harness import ROOT
from tests.ops.token_home import AUDIENCE, Authority, add_token, records

SECRET = "s" * 43
OTHER = "o" * 43


def listed(*more: dict[str, Any]) -> bytes:
    made = [
        {
            "name": "gateway", "secret_sha256": sha256(SECRET.encode()).hexdigest(),
            "may": ["evaluate", "introspect", "metrics"], "audiences": [AUDIENCE],
        },
        *more,
    ]  # fmt: skip
    return json.dumps({"nhictl_serve": 1, "callers": made}).encode()


def write(authority: Authority, data: bytes, mode: int = 0o600) -> None:
    path = authority.house.home / callers.FILE
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("served") / "home")


@pytest.fixture(scope="module")
def tcp(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    write(authority, listed())
    made = Served(authority.house, tmp_path_factory.mktemp("s") / "s", tcp=True, base="http://pdp", audience=AUDIENCE)
    yield made
    made.stop()


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def read(subject: str = "report-bot", **properties: Any) -> dict[str, Any]:
    return evaluation(subject, "reports.read", {"limit": 1}, AUDIENCE + "/2026", **properties)


def test_over_tcp_nobody_is_anybody_without_a_secret_or_a_token(authority: Authority, tcp: Served) -> None:
    before = len(records(authority.house))
    for headers in ({}, bearer(OTHER), bearer(""), {"authorization": "Basic YTpi"}, {"authorization": "Bearer"}):
        for method, path in (("POST", "/access/v1/evaluation"), ("POST", "/introspect"), ("GET", "/metrics")):
            found = tcp.ask(method, path, read() if method == "POST" else None, headers=headers)
            assert (found.status, found.headers["www-authenticate"]) == (401, "Bearer"), (headers, path)
    assert len(records(authority.house)) == before
    assert tcp.ask("GET", "/health/ready").status == 200


def test_a_secret_is_a_callers_until_the_file_says_otherwise(authority: Authority, tcp: Served) -> None:
    assert tcp.evaluate(read(), headers=bearer(SECRET)).json["decision"]
    last = records(authority.house)[-1]
    assert (last["actor"]["id"], last["ext"]["caller"], last["ext"]["separation"]) == (
        "caller:gateway",
        "gateway",
        "none",
    )
    assert b"nhictl_decisions_total" in tcp.ask("GET", "/metrics", headers=bearer(SECRET)).body
    write(authority, json.dumps({"nhictl_serve": 1, "callers": [
        {"name": "gateway", "secret_sha256": sha256(SECRET.encode()).hexdigest(), "may": ["metrics"]}]}).encode())  # fmt: skip
    denied = tcp.evaluate(read(), headers=bearer(SECRET))
    assert (denied.status, denied.json["error"]["code"]) == (403, "caller_not_allowed")
    (authority.house.home / callers.FILE).unlink()
    assert tcp.evaluate(read(), headers=bearer(SECRET)).status == 401
    write(authority, b"nhictl_serve: 2\n")
    broken = tcp.evaluate(read(), headers=bearer(SECRET))  # nobody is let in, and whose fault it is is told to us alone
    assert (broken.status, broken.json["error"]) == (
        503,
        {"code": "callers_invalid", "message": "cannot be answered now"},
    )
    write(authority, listed(), 0o644)
    assert tcp.evaluate(read(), headers=bearer(SECRET)).json["error"]["code"] == "loose_permissions"
    assert [note.partition(":")[0] for note in tcp.notes] == ["callers_invalid", "loose_permissions"]
    tcp.notes.clear()
    write(authority, listed())
    assert tcp.evaluate(read(), headers=bearer(SECRET)).json["decision"]


def test_a_task_token_asks_about_its_own_calls_alone(authority: Authority, tcp: Served) -> None:
    token = add_token(authority.house, authority.task)
    assert tcp.evaluate(read(), headers=bearer(token.token)).json["decision"]
    assert records(authority.house)[-1]["type"] == "token.used"
    other = tcp.evaluate(read("other-bot"), headers=bearer(token.token)).json
    assert (other["decision"], other["context"]["reason"]) == (False, "subject_mismatch")
    assert tcp.ask("GET", "/metrics", headers=bearer(token.token)).status == 401
    assert tcp.form("/introspect", bearer(token.token), token=token.token).status == 401
    revoke(authority.house, Selector(jti=token.jti), None)
    gone = tcp.evaluate(read(), headers=bearer(token.token)).json
    assert (gone["decision"], gone["context"]["reason"]) == (False, "token_revoked")
    before = len(records(authority.house))
    forged = tcp.evaluate(read(), headers=bearer(token.token[:-4] + "AAAA")).json["context"]
    assert (forged["reason"], forged["recorded"]) == ("signature_invalid", False)  # anybody could fill the log with it
    assert len(records(authority.house)) == before
    shown = tcp.evaluate(read(token=token.token[:-4] + "AAAA"), headers=bearer(SECRET)).json["context"]
    assert ("recorded" in shown, len(records(authority.house))) == (False, before + 1)


def test_a_caller_is_to_tokens_who_the_file_says(authority: Authority, tcp: Served) -> None:
    token = add_token(authority.house, authority.task)
    assert tcp.evaluate(read(token=token.token), headers=bearer(SECRET)).json["decision"]  # its one audience
    other = tcp.evaluate(read(token=token.token, audience="urn:else"), headers=bearer(SECRET))
    assert (other.status, other.json["error"]["code"]) == (400, "invalid_audience")


def test_introspection_says_what_is_good_and_nothing_of_what_is_not(authority: Authority, tcp: Served) -> None:
    good, limited, gone = (add_token(authority.house, authority.task, **more) for more in ({}, {"uses": 2}, {}))
    elsewhere = add_token_for(authority, "urn:elsewhere")
    revoke(authority.house, Selector(jti=gone.jti), None)
    before = len(records(authority.house))
    found = tcp.form("/introspect", bearer(SECRET), token=good.token, token_type_hint="access_token").json
    assert (found["active"], found["jti"], found["aud"], found["client_id"]) == (True, good.jti, AUDIENCE, "report-bot")
    for text in (gone.token, limited.token, elsewhere, "garbage", "a.b.c", good.token[:-4] + "AAAA", good.token + "x"):
        made = tcp.form("/introspect", bearer(SECRET), token=text)
        assert (made.status, made.body) == (200, b'{"active":false}'), text
    assert len(records(authority.house)) == before
    for headers, body in (
        (bearer(SECRET), b""), (bearer(SECRET), b"token=a&token=b"), (bearer(SECRET), b"token"), (bearer(SECRET), b"token=%ff"),
    ):  # fmt: skip
        kind = {"content-type": "application/x-www-form-urlencoded"}
        refused = tcp.ask("POST", "/introspect", body, headers=headers | kind)
        assert (refused.status, refused.json["error"]) == (400, "invalid_request"), body


def add_token_for(authority: Authority, audience: str) -> str:
    from nhictl.ops.issue_token import issue_token

    return issue_token(authority.house, authority.task, audience)[0].token


def test_the_owner_may_be_any_audience_and_others_only_who_they_are(authority: Authority) -> None:
    token = add_token_for(authority, "urn:elsewhere").encode()
    owner = Callers(authority.house).peer(os.geteuid(), os.getpid())
    assert introspect.introspect(authority.house, owner, token)["active"]
    listed_one = callers.Caller(1001, "pep", frozenset({"introspect"}), ("urn:elsewhere",), "user", "socket")
    assert introspect.introspect(authority.house, listed_one, token)["active"]
    assert not introspect.introspect(authority.house, listed_one._replace(audiences=("urn:x",)), token)["active"]


def test_a_peer_is_who_the_kernel_says(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    write(authority, listed({"name": "pep", "uid": [4242], "may": ["evaluate"]}))
    known = Callers(authority.house)
    me = os.geteuid()
    owner, pep, stranger = known.peer(me, 1), known.peer(4242, 2**22 + 1), known.peer(4343, 2**22 + 1)
    assert (owner.audiences, owner.apart) == (None, "none")
    assert (pep.name, pep.may, pep.apart, pep.uid) == ("pep", frozenset({"evaluate"}), "user", 4242)
    assert (stranger.name, stranger.may, stranger.apart) == (None, frozenset(), "user")
    outside = known.peer(separation.overflow_uid(), 2**22 + 1)
    assert (outside.uid, outside.apart) == (None, "none")
    monkeypatch.setattr(separation, "process", lambda pid: separation.Process(1, (4242,) * 4, 1 << 21))
    assert known.peer(4242, 7).apart == "none"  # it could read the home all the same
    write(authority, listed())


FILES: list[tuple[str, str]] = [
    ("{}", "nhictl_serve"),
    ("nhictl_serve: 1", "callers"),
    ("nhictl_serve: 1\ncallers: [{name: a, may: [evaluate]}]", "known by"),
    (f"nhictl_serve: 1\ncallers: [{{name: a, uid: [1], secret_sha256: {'a' * 64}, may: [evaluate]}}]", "known by"),
    ("nhictl_serve: 1\ncallers: [{name: a, uid: [1], may: [everything]}]", "no right"),
    ("nhictl_serve: 1\ncallers: [{name: a, uid: [one], may: [evaluate]}]", "`uid`"),
    ("nhictl_serve: 1\ncallers: [{name: a, uid: [-1], may: [evaluate]}]", "`uid`"),
    ("nhictl_serve: 1\ncallers: [{name: a, uid: [true], may: [evaluate]}]", "`uid`"),
    ("nhictl_serve: 1\ncallers: [{name: a, uid: [1], may: [introspect]}]", "audiences"),
    (f"nhictl_serve: 1\ncallers: [{{name: a, secret_sha256: {'G' * 64}, may: [evaluate]}}]", "0-9 and a-f"),
    (
        "nhictl_serve: 1\ncallers: [{name: a, uid: [1], may: [metrics]}, {name: b, uid: [1], may: [metrics]}]",
        "another caller",
    ),
    ("nhictl_serve: 1\ncallers: [{name: a, uid: [1], may: [metrics], more: 1}]", "more"),
]


@pytest.mark.parametrize(("text", "word"), FILES, ids=range(len(FILES)))
def test_a_callers_file_that_is_none_names_what_is_wrong(text: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        caller_file.parse("serve.yaml", text.encode())


def test_a_callers_file_that_is_one() -> None:
    assert [one.name for one in caller_file.parse("serve.yaml", listed())] == ["gateway"]


def test_the_sample_is_one() -> None:
    sample = caller_file.parse("serve.yaml", (ROOT / "samples" / "serve.yaml").read_bytes())
    assert [(one.name, sorted(one.may)) for one in sample] == [
        ("gateway", ["evaluate", "introspect"]),
        ("prometheus", ["metrics"]),
    ]
