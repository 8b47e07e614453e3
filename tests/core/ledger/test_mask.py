"""Which texts hold a secret and which do not: one table of forms, each with what has to be gone, and one of near misses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.ledger import secrets
from nhictl.core.ledger.mask import Masker
from nhictl.core.ledger.secret_forms import names_a_secret

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiJhYmMifQ.c2lnbmF0dXJlLWJ5dGVz"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIAbc\nd0e=\n-----END EC PRIVATE KEY-----"
A36 = "aB3" * 12
SECRETS: list[tuple[str, str, str]] = [  # name, text, what must be gone of it
    ("own token", f"use {JWT} now", JWT),
    ("token at the end of a sentence", f"it was {JWT}.", JWT),
    ("token in a URL", f"https://h/cb#id_token={JWT}&x=1", JWT),
    ("encrypted token", "eyJhbGciOiJkaXIifQ..aXZpdml2aXY.Y2lwaGVydGV4dA.dGFndGFndGFn", "Y2lwaGVydGV4dA"),
    ("private key", f"key:\n{PEM}\nend", "MHcCAQEEIAbc"),
    ("private key cut off", PEM[:50], "MHcCAQEEIAbc"),
    ("pkcs8 key", PEM.replace("EC PRIVATE", "PRIVATE"), "MHcCAQEEIAbc"),
    ("encrypted key", PEM.replace("EC PRIVATE", "ENCRYPTED PRIVATE"), "MHcCAQEEIAbc"),
    ("openssh key", PEM.replace("EC PRIVATE", "OPENSSH PRIVATE"), "MHcCAQEEIAbc"),
    ("aws id", "id AKIAIOSFODNN7EXAMPLE.", "AKIAIOSFODNN7EXAMPLE"),
    ("aws temporary id", "(ASIAIOSFODNN7EXAMPLE)", "ASIAIOSFODNN7EXAMPLE"),
    ("aws secret by name", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPx", "wJalrXUtnFEMI/K7MDENG/bPx"),
    ("google", "AIza" + "a1B2c" * 7, "a1B2ca1B2c"),
    ("google oauth", "ya29.a0AfH6SMBx1234567890abcdef", "a0AfH6SMBx"),
    ("github", f"ghp_{A36}", A36),
    ("github app", f"ghs_{A36}", A36),
    ("github fine-grained", f"github_pat_{A36}_{A36}", A36),
    ("gitlab", "glpat-AbCdEfGhIj0123456789", "AbCdEfGhIj"),
    ("slack", "xoxb-123456789012-abcdefghijkl", "123456789012"),
    ("stripe", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "4eC39HqLyj"),
    ("model vendor", "sk-proj-Abc123Def456Ghi789Jkl", "Abc123Def456"),
    ("hugging face", "hf_" + "aB3" * 11, "aB3aB3"),
    ("npm", f"npm_{A36}", A36),
    ("pypi", "pypi-AgEIcHlwaS5vcmcC" + "aB3-" * 12, "AgEIcHlwaS5vcmcC"),
    ("sendgrid", "SG." + "aB3_" * 6 + "." + "xY9-" * 10, "xY9-xY9-"),
    ("vault", "hvs.CAESIJabcdefghijklmnop12", "CAESIJabc"),
    ("bearer", "Authorization: Bearer abcDEF12345", "abcDEF12345"),
    ("bearer in prose", "call it with bearer 9f8e7d6c5b4a", "9f8e7d6c5b4a"),
    ("dpop", "Authorization: DPoP abcDEF12345678", "abcDEF12345678"),
    ("basic", "authorization: basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
    ("url password", "postgres://app:s3cr3t@db.example.org/x", "s3cr3t"),
    ("url password of odd letters", "redis://:p%40ss:word@cache:6379", "p%40ss:word"),
    ("query", "GET /x?access_token=abc.def&y=1", "abc.def"),
    ("env file", "DB_PASSWORD=correct-horse", "correct-horse"),
    ("quoted", "password: 'correct horse'", "correct horse"),
    ("json in a string", '{"user":"u","client_secret":"battery"}', "battery"),
    ("json in json in a string", '{\\"apiKey\\": \\"battery\\"}', "battery"),
    ("header", "X-Api-Key: battery-staple", "battery-staple"),
    ("cookie", "Set-Cookie: sid=31d4d96e407aad42; Path=/", "31d4d96e407aad42"),
    ("two at once", f"password=battery {JWT}", "battery"),
    ("command line", "mysql --password=battery db", "battery"),
]
PLAIN = [
    "the monthly report", "bearer of good news", "a basic income", "max_tokens: 4096", "token_type=Bearer",
    "https://example.org/a?b=c", "https://example.org:8443/x@y", "mailto:ops@example.org", "ssh://git@github.com/x",
    "sha256:" + "0123456789abcdef" * 4, "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "t-avrd9db87ghj2pry", "PWD=/home/app",
    "password=", "password: none", 'password="" user="bob"', "skip-the-line-and-go-on-please", "task-sk-short",
    "AKIA is a prefix", "XAKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLES", "eyJ", "a.b.c", "1.2.3", "ghp_short",
    "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----", "password_policy: strict", "tokens: 12",
    JWT.rpartition(".")[0], "the secret is out", "SG.short", "10:30", "a==b", "key=value", "Zeit: 12=12",
    "größe=3", "İ bearer of İ",
]  # fmt: skip
NAMES = ["password", "PASSWORD", "db_password", "api_key", "apiKey", "X-API-Key", "client_secret", "accessToken",
         "refresh-token", "private_key", "Authorization", "cookie", "AWS_SECRET_ACCESS_KEY", "passphrase"]  # fmt: skip
OTHER_NAMES = ["max_tokens", "tokens", "token_type", "password_policy", "secretary", "key", "keyboard", "cookies_accepted",
               "PWD", "author", "name"]  # fmt: skip


def masked(value: Any, key: bytes = b"k" * 32) -> Any:
    return Masker(key).value(value)


@pytest.mark.parametrize(("text", "gone"), [case[1:] for case in SECRETS], ids=[case[0] for case in SECRETS])
def test_secret_is_masked_wherever_it_stands(text: str, gone: str) -> None:
    assert gone in text
    for value in (text, [text], {"a": {"b": [1, text]}}, {text: 1}, f"before {text}", f"{text}\nafter"):
        made = json.dumps(masked(value))
        assert gone not in made
        assert "[masked:" in made


@pytest.mark.parametrize("text", PLAIN)
def test_near_miss_is_left_alone(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize("name", NAMES)
def test_value_under_a_secret_name_is_masked_whatever_it_is(name: str) -> None:
    assert masked({name: "x"})[name].startswith("[masked:named:")
    assert masked({name: 1234})[name].startswith("[masked:named:")
    assert "plain" not in json.dumps(masked({name: {"value": ["plain"]}}))
    assert masked({name: None, "a": 1}) == {name: None, "a": 1}
    assert masked({name: True}) == {name: True}


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_names_hide_nothing(name: str) -> None:
    assert masked({name: "plain"}) == {name: "plain"}
    assert not names_a_secret(name)


@pytest.mark.parametrize("value", [b"bytes", {1: "a"}, object(), {1, 2}, 1j])
def test_unknown_type_is_masked_not_passed(value: Any) -> None:
    assert masked(value).startswith("[masked:type:")
    assert masked([value])[0].startswith("[masked:type:")


def test_mark_shows_equality_under_one_key_and_nothing_under_another() -> None:
    one, other = Masker(b"1" * 32), Masker(b"2" * 32)
    assert one.text("password=abc") == one.text("password=abc")
    assert one.text("password=abc") != one.text("password=abd")
    assert one.text("password=abc") != other.text("password=abc")
    assert one.count == 5


def test_paths_of_an_obligation() -> None:
    args = {"iban": "DE02", "to": {"name": "Ann", "mail": "a@b"}, "lines": [{"iban": "X"}, {"iban": "Y"}], "a.b": "Z"}
    made = Masker(b"k" * 32).paths(args, ["args.iban", "args.to.name", "args.lines.iban", "args.a.b", "args.absent"])
    assert made["to"]["mail"] == "a@b"
    assert not {"DE02", "Ann", "X", "Y", "Z"} & set(json.dumps(made).replace('"', " ").split())
    assert set(made) == set(args)


def test_masking_again_changes_nothing() -> None:
    for _, text, _ in SECRETS:
        once = masked(text)
        assert masked(once) == once, text


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    )
)
def test_shape_survives(value: Any) -> None:
    made = masked(value)
    assert json.loads(json.dumps(made)) == made
    if isinstance(value, list | dict):
        assert type(made) is type(value)
        assert len(made) == len(value)


@pytest.mark.parametrize(
    "unit", ["password=", "-sk-", "eyJ.", "-----BEGIN PRIVATE KEY-----", "bearer ", "://", '="', "=\\'"]
)
def test_hostile_text_is_read_once(unit: str) -> None:
    """What repeats a beginning is not looked at from every beginning: the work grows with the text."""
    steps = 0
    real = secrets._run

    def counted(text: str, start: int, alphabet: frozenset[str]) -> int:
        nonlocal steps
        end = real(text, start, alphabet)
        steps += end - start
        return end

    secrets._run = counted
    try:
        text = unit * 3000
        secrets.find(text)
    finally:
        secrets._run = real
    assert steps <= 40 * len(text)
