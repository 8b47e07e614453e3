"""The job's token from the runner, over real sockets: where it is asked for, and what is not believed or followed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhictl.errors import InputError, UnavailableError
from nhictl.ops import runner_token
from tests.ops.ci_issuer import AUDIENCE, github, sign
from tests.ops.fake_runner import BEARER, Runner, certificate, running


def make(audience: str) -> bytes:
    """What the CI system signs."""
    return sign(github(aud=audience))


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    monkeypatch.setattr(runner_token, "_PAUSES_S", (0, 0))
    with running(make) as made:
        yield made


def test_a_token_for_the_audience(runner: Runner) -> None:
    assert runner_token.offered(runner.env)
    assert runner_token.fetch(AUDIENCE, runner.env) == make(AUDIENCE)
    assert runner.asked == [
        (f"/token?api-version=2.0&audience={AUDIENCE.replace(':', '%3A').replace('/', '%2F')}", f"Bearer {BEARER}")
    ]


def test_an_audience_cannot_change_the_question(runner: Runner) -> None:
    odd = "x&audience=y#z?é "
    assert runner_token.fetch(odd, runner.env) == make(odd)


def test_a_url_without_a_query(runner: Runner) -> None:
    runner.answers = [(200, {}, b'{"value": "a.b.c"}')]
    url = runner.env["ACTIONS_ID_TOKEN_REQUEST_URL"].partition("?")[0]
    assert runner_token.fetch("x", runner.env | {"ACTIONS_ID_TOKEN_REQUEST_URL": url}) == b"a.b.c"
    assert runner.asked[0][0] == "/token?audience=x"


@pytest.mark.parametrize(
    ("code", "body", "said"),
    [
        (401, b"{}", "it answered 401"),
        (404, b"{}", "it answered 404"),
        (200, b"", "not JSON"),
        (200, b"<html>", "not JSON"),
        (200, b'{"value": "a", "value": "b"}', "not JSON"),
        (200, b"[]", "holds no token"),
        (200, b'{"count": 1}', "holds no token"),
        (200, b'{"value": ""}', "holds no token"),
        (200, b'{"value": 7}', "holds no token"),
        (200, json.dumps({"value": "é"}).encode(), "holds no token"),
        (200, b'{"value": "' + b"x" * 70000 + b'"}', "over 65536 bytes"),
    ],
)
def test_what_is_no_token(runner: Runner, code: int, body: bytes, said: str) -> None:
    runner.answers = [(code, {}, body)]
    with pytest.raises(UnavailableError) as caught:
        runner_token.fetch(AUDIENCE, runner.env)
    assert (caught.value.code, caught.value.exit) == ("subject_token_unavailable", 7)
    assert said in caught.value.message
    assert BEARER not in caught.value.message
    assert len(runner.asked) == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(runner: Runner, code: int) -> None:
    """The bearer token is as good as the job: it goes to nobody the answer names."""
    with running(make) as elsewhere:
        runner.answers = [(code, {"Location": elsewhere.env["ACTIONS_ID_TOKEN_REQUEST_URL"]}, b"")]
        with pytest.raises(UnavailableError):
            runner_token.fetch(AUDIENCE, runner.env)
        assert elsewhere.asked == []


def test_a_runner_that_is_busy_is_asked_again(runner: Runner) -> None:
    runner.answers = [(503, {}, b""), (500, {}, b""), (200, {}, b'{"value": "a.b.c"}')]
    assert runner_token.fetch(AUDIENCE, runner.env) == b"a.b.c"
    runner.answers = [(503, {}, b"")]
    with pytest.raises(UnavailableError, match="503"):
        runner_token.fetch(AUDIENCE, runner.env)
    assert len(runner.asked) == 6


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_token, "_PAUSES_S", (0, 0))
    with running(make) as runner:
        env = runner.env
    with pytest.raises(UnavailableError, match="refused"):
        runner_token.fetch(AUDIENCE, env)


def test_no_proxy_is_in_between_on_loopback(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(make) as proxy:
        monkeypatch.setenv("http_proxy", proxy.env["ACTIONS_ID_TOKEN_REQUEST_URL"].partition("/token")[0])
        runner_token.fetch(AUDIENCE, runner.env)
        assert proxy.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://ci.example.org/token", "http://127.0.0.1.example.org/", "http://10.0.0.1/", "ftp://127.0.0.1/x",
        "file:///etc/passwd", "https://user:pass@ci.example.org/", "https:///token", "token", "https://[::1", "//host/x",
    ],
)  # fmt: skip
def test_the_bearer_token_goes_nowhere_else(url: str) -> None:
    env = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER}
    with pytest.raises(InputError) as caught:
        runner_token.fetch(AUDIENCE, env)
    assert BEARER not in caught.value.message + (caught.value.hint or "")
    assert "pass" not in caught.value.message


def test_a_bearer_token_that_would_be_more_than_a_header(runner: Runner) -> None:
    with pytest.raises(InputError):
        runner_token.fetch(AUDIENCE, runner.env | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "a\r\nX-Evil: 1"})
    assert runner.asked == []


def test_https_with_a_certificate_one_trusts_and_not_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_token, "_PAUSES_S", ())
    pem = certificate(tmp_path)
    with running(make, pem) as runner:
        with pytest.raises(UnavailableError, match="certificate"):
            runner_token.fetch(AUDIENCE, runner.env)
        assert runner.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert runner_token.fetch(AUDIENCE, runner.env) == make(AUDIENCE)


@pytest.mark.parametrize(
    ("env", "hint"),
    [
        ({"GITHUB_ACTIONS": "true"}, "id-token: write"),
        ({"GITLAB_CI": "true"}, "--subject-token-env"),
        ({}, None),
    ],
)
def test_a_job_that_was_given_no_token_is_told_how(env: dict[str, str], hint: str | None) -> None:
    assert not runner_token.offered(env)
    error = runner_token.missing(env)
    assert (error is None) == (hint is None)
    if error is not None and hint is not None:
        assert hint in (error.hint or "")
