"""The verbs of `key` as they are typed: replies, exit statuses, and what is said when a folder does not know of a change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.token.publish import SETTLE_S
from tests.cli.cli_help import AUDIENCE, DEFAULTS, Program, check_error
from tests.harness import Clock

KEY = {"kid", "use", "alg", "state", "since", "signs", "live_tokens", "live_svids", "ready", "seq"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every home in this process."""
    made = Clock()
    monkeypatch.setitem(DEFAULTS, "clock", made)
    return made


@pytest.fixture
def served(clock: Clock, authority: Program) -> Program:
    """An authority whose keys are published in `pub`."""
    assert clock.now_us
    authority.ok("trust", "publish", "--out", "pub")
    return authority


def first(program: Program) -> str:
    """The kid of the key that signs tokens."""
    return next(str(key["kid"]) for key in program.ok("key", "list")["items"] if key["use"] == "token" and key["signs"])


def kids(program: Program) -> list[str]:
    """The kids that are published."""
    whole: dict[str, Any] = json.loads((program.folder / "pub" / "jwks.json").read_bytes())
    return [key["kid"] for key in whole["keys"]]


def test_a_rotation_in_json(served: Program, clock: Clock) -> None:
    old = first(served)
    token = served.token(served.task())
    prepared = served.ok("key", "prepare")
    assert set(prepared) == {"schema", "key", "published", "log"}
    assert (prepared["schema"], set(prepared["key"]), prepared["key"]["state"]) == ("nhictl.key/v1", KEY, "prepared")
    assert prepared["published"] == [{"out": str(served.folder / "pub"), "changed": 2, "error": None}]
    assert prepared["log"]["size"] == served.size()
    kid = prepared["key"]["kid"]
    done = served("key", "activate", kid, "--json")
    error = check_error(done.err, "key_unsettled")
    assert (done.code, done.out, error["details"]) == (5, "", {"wait_s": SETTLE_S})
    clock.advance(SETTLE_S)
    assert served.ok("key", "list")["items"][2]["ready"] == "2026-06-01T12:05:30.000000Z"
    active = served.ok("key", "activate", kid)
    assert set(active) == {"schema", "key", "replaced", "early_until", "published", "log"}
    assert (active["replaced"], active["early_until"], active["key"]["signs"]) == (old, None, True)
    tainted = served.ok("key", "taint", old, "--reason", "routine")
    assert set(tainted) == {"schema", "key", "count", "tokens", "published", "log"}
    assert (tainted["count"], tainted["tokens"], tainted["key"]["state"]) == (0, [], "tainted")
    assert served.verify(token).json["reason"] == "token_expired"
    revoked = served.ok("key", "revoke", old)
    assert set(revoked) == set(tainted)
    assert served.verify(token).json["reason"] == "key_revoked"
    assert kids(served) == [kid]


def test_dependent_tokens_are_named(served: Program) -> None:
    old, task = first(served), served.task()
    jtis = [served.ok("token", "issue", "--task", task, "--audience", AUDIENCE)["jti"] for _ in range(3)]
    reply = served.ok("key", "taint", old, "--now")
    assert (reply["count"], reply["tokens"]) == (3, jtis)
    assert served("key", "revoke", old).out.splitlines()[:2] == [
        f"key {old} is revoked",
        "live tokens that ended with it: 3",
    ]


def test_early_is_said_in_words(served: Program) -> None:
    kid = served("key", "prepare").thing
    done = served("key", "activate", kid, "--now")
    assert done.code == 0
    assert "refuse its tokens as of an unknown key, until 2026-06-01T12:05:30.000000Z at worst" in done.out


@pytest.mark.parametrize("verb", ["prepare", "activate", "taint", "revoke"])
def test_a_folder_that_does_not_know_of_it(served: Program, clock: Clock, verb: str) -> None:
    """It is done here, and the exit status says that it is not done everywhere."""
    kid = served("key", "prepare").thing if verb != "prepare" else ""
    clock.advance(SETTLE_S)
    if verb == "revoke":
        served.ok("key", "taint", kid)
    folder = served.folder / "pub"
    folder.chmod(0o777)
    words = ["key", verb, *([kid] if kid else [])]
    done = served(*words, "--json")
    state = {"prepare": "prepared", "activate": "active", "taint": "tainted", "revoke": "revoked"}[verb]
    error = check_error(done.err, "publish_incomplete")
    assert (done.code, done.json["key"]["state"]) == (7, state)
    assert error["details"] == {"kid": done.json["key"]["kid"], "state": state, "folders": [str(folder)]}
    assert f"is {state} here, but `{folder}` may not say so yet" in error["message"]
    assert done.json["published"] == [{"out": str(folder), "changed": 0, "error": done.json["published"][0]["error"]}]
    assert served.ok("key", "list")["items"][2 if kid else -1]["state"] == state
    folder.chmod(0o755)
    served.ok("trust", "publish", "--out", "pub")
    assert (done.json["key"]["kid"] in kids(served)) == (verb != "revoke")


def test_a_kid_is_printed_alone_whatever_the_folder_says(served: Program) -> None:
    (served.folder / "pub").chmod(0o777)
    done = served("key", "prepare")
    assert (done.code, done.out) == (7, served.ok("key", "list")["items"][2]["kid"] + "\n")
    assert "others could put keys of theirs" in done.err
    assert "nhictl trust publish --out" in done.err


@pytest.mark.parametrize("verb", ["list", "prepare", "activate", "taint", "revoke"])
def test_without_a_home(program: Program, verb: str) -> None:
    done = program("key", verb, *(["x"] if verb not in ("list", "prepare") else []), "--json")
    assert (done.code, done.out) == (7, "")
    check_error(done.err, "not_initialised")


def test_secrets_stay(served: Program, tmp_path: Path) -> None:
    """No output of any verb holds more of a key than its public part."""
    said = [
        served("key", "prepare", "--json").out,
        served("key", "list", "-o", "markdown").out,
        served("audit", "replay", "--json").out,
    ]
    kid = first(served)
    said += [served("key", "taint", kid, "--now", "--json").out, served("key", "revoke", kid, "--json").out]
    assert all(said)
    assert not any(word in text for text in said for word in ('"d":', "sealed", "private"))
    assert list(tmp_path.glob("**/*.pem")) == []
