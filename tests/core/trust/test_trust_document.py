"""What is no trust file is refused where it stands; what is one is read to the same value from YAML and JSON."""

from __future__ import annotations

import json

import pytest

from nhictl.core.trust import document
from nhictl.core.trust.document import Source
from nhictl.core.trust.value import Trust
from nhictl.errors import InputError
from tests.ops.ci_issuer import EC_JWK, GITHUB, RSA_JWK, trust

YAML = """\
nhictl_trust: 1
name: deploy-main
issuer: https://token.actions.githubusercontent.com
jwks: keys.json
audience: https://nhi.example.org
match:
  repository_id: "456789"
  repository_owner_id: "123456"
  ref: refs/heads/main
  ref_protected: "true"
  event_name: [push, workflow_dispatch]
agent: deploy-bot
intents: [deploy, roll-back]
scope:
  - {tools: [deploy.run], when: {args.env: {in: [staging, prod]}}}
  - deploy.status
token_audiences: [https://deploy.example.org]
ttl: 5m
deadline: 30m
"""


def read(text: str | bytes, keys: bytes | None = None) -> Source:
    """A trust from the text of its file, beside which `keys` lies."""
    given = json.dumps({"keys": [RSA_JWK]}).encode() if keys is None else keys
    data = text.encode() if isinstance(text, str) else text
    return document.read("t.yaml", data, lambda name: (name, given))


def test_yaml_and_json_are_the_same_trust() -> None:
    from_yaml, from_json = read(YAML).trust, read(json.dumps(trust())).trust
    assert from_yaml == from_json
    assert from_yaml.digest == from_json.digest
    assert Trust.from_json(json.dumps(from_yaml.to_json())) == from_yaml
    assert (from_yaml.provider, from_yaml.algorithms, from_yaml.max_tokens) == ("github", ["RS256"], 1)
    assert (from_yaml.ttl_s, from_yaml.deadline_s, from_yaml.max_lifetime_s) == (300, 1800, 900)
    assert from_yaml.scope == [
        {"tools": ["deploy.run"], "when": {"args.env": {"in": ["prod", "staging"]}}}, {"tools": ["deploy.status"]},
    ]  # fmt: skip


def test_a_scope_as_in_a_scope_file() -> None:
    wrapped = trust(scope={"allow": trust()["scope"]})
    assert read(json.dumps(wrapped)).trust == read(YAML).trust


def test_of_the_keys_only_what_verifying_takes_is_kept() -> None:
    key = RSA_JWK | {"x5c": ["MIIB"], "x5t": "abc"}
    kept = read(json.dumps(trust(jwks={"keys": [key, EC_JWK]}))).trust
    assert kept.keys == [{name: one[name] for name in document.KEY_MEMBERS if name in one} for one in (key, EC_JWK)]
    assert kept.algorithms == ["ES256", "RS256"]
    assert kept.key_digest != read(YAML).trust.key_digest


def test_a_key_that_does_not_say_is_for_the_first_of_its_kind() -> None:
    bare = {name: value for name, value in RSA_JWK.items() if name != "alg"}
    assert read(json.dumps(trust(jwks={"keys": [bare]}))).trust.algorithms == ["RS256"]


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "said"),
    [
        ("nhictl_trust: 1\n", "", 1, 1, "`nhictl_trust: 1` is missing"),
        ("nhictl_trust: 1", "nhictl_trust: 2", 1, 15, "must be 1"),
        ("audience: h", "audiense: h", 5, 1, "unknown key `audiense`"),
        ("name: deploy-main\n", "", 1, 1, "lacks `name`"),
        ("name: deploy-main", "name: Deploy", 2, 7, "a name is 1 to 64"),
        ("agent: deploy-bot\n", "", 1, 1, "lacks `agent`"),
        ("agent: deploy-bot", "agent: a b", 12, 8, "a name is 1 to 64"),
        ("jwks: keys.json\n", "", 1, 1, "lacks `jwks`"),
        ("jwks: keys.json", "jwks: [keys.json]", 4, 7, "must be a string"),
        (GITHUB, '"https://a b"', 3, 9, "spaces"),
        (GITHUB, "https://git.example.org", 3, 9, "what kind of issuer"),
        (GITHUB, "https://git.example.org\nprovider: bitbucket", 4, 11, "no provider `bitbucket`"),
        ("[push, workflow_dispatch]", "[]", 11, 15, "must not be empty"),
        ("[push, workflow_dispatch]", "[push, 1.5]", 11, 22, "whole number"),
        ("[push, workflow_dispatch]", "{eq: push}", 11, 15, "matched by a string"),
        ('repository_id: "456789"', "repository_id: null", 7, 18, "matched by a string"),
        ("refs/heads/main", '""', 9, 8, "must not be empty"),
        ("[deploy, roll-back]", "[deploy, deploy]", 13, 19, "duplicate `deploy`"),
        ("[deploy, roll-back]", "[dé]", 13, 10, "printable ASCII"),
        ("- deploy.status", '- "deploy.status?"', 16, 5, "a condition is missing"),
        ("tools: [deploy.run], ", "", 15, 5, "lacks `tools`"),
        ("in: [staging", "matches: [staging", 15, 45, "unknown key `matches`"),
        ("ttl: 5m", "ttl: 61m", 18, 6, "at most 1h"),
        ("ttl: 5m", "ttl: 5", 18, 6, "must be a string"),
        ("ttl: 5m", "ttl: 0s", 18, 6, "more than nothing"),
        ("deadline: 30m", "deadline: 31d", 19, 11, "at most 30d"),
        ("deadline: 30m", "max_tokens: 0", 19, 13, "whole number from 1"),
        ("deadline: 30m", "max_lifetime: 25h", 19, 15, "at most 1d"),
        ("deadline: 30m", "algorithms: [HS256]", 19, 14, "no algorithm with public keys"),
        ("deadline: 30m", "algorithms: [none]", 19, 14, "no algorithm with public keys"),
        ("deadline: 30m", "name: again", 19, 1, "duplicate key `name`"),
    ],
)
def test_what_is_malformed_is_refused_where_it_stands(old: str, new: str, line: int, column: int, said: str) -> None:
    assert old in YAML
    with pytest.raises(InputError) as caught:
        read(YAML.replace(old, new))
    assert said in caught.value.message
    assert caught.value.details == {"file": "t.yaml", "line": line, "column": column}
    read(YAML)


@pytest.mark.parametrize(("keys", "line"), [(b"{\n'", 2), (b'{"keys": [], "keys": []}', None), (b"\xff", None)])
def test_a_key_file_that_is_no_json_is_named(keys: bytes, line: int | None) -> None:
    with pytest.raises(InputError) as caught:
        read(YAML, keys)
    assert (caught.value.details["file"], caught.value.details.get("line")) == ("keys.json", line)


def test_a_key_set_with_fractions_is_no_key_set() -> None:
    with pytest.raises(InputError, match="fraction"):
        read(YAML.replace("jwks: keys.json", "jwks: {keys: [{kty: RSA, n: 1.5}]}"))
