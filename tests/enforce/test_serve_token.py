"""`/token` and what is published, as clients elsewhere use them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from nhictl.enforce.serve import oauth
from nhictl.ops.publish_trust import publish
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.tokens import show
from nhictl.ops.verify_token import verify
from tests.enforce.served import Answered, Served, evaluation
from tests.ops import delegation_home
from tests.ops.ci_issuer import TARGET
from tests.ops.delegation_home import Chain
from tests.ops.exchange_house import Exchange, fresh
from tests.ops.token_home import ISSUER, Authority, add_token, question, records


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Exchange:
    return Exchange(tmp_path_factory.mktemp("ci"))


@pytest.fixture(scope="module")
def served(exchange: Exchange, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(exchange.house, tmp_path_factory.mktemp("s") / "s")
    yield made
    made.stop()


def fields(token: bytes, **changes: str | None) -> dict[str, str]:
    made = {
        "grant_type": oauth.GRANT, "subject_token": token.decode(),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "audience": TARGET, "intent": "deploy",
    } | changes  # fmt: skip
    return {name: value for name, value in made.items() if value is not None}


def ask(served: Served, token: bytes, **changes: str | None) -> Answered:
    given: Any = fields(token, **changes)
    return served.form("/token", **given)


def test_a_jobs_token_is_exchanged_once(exchange: Exchange, served: Served) -> None:
    token = fresh()
    found = ask(served, token, scope="deploy.status", ttl="2m", purpose="week 47")
    assert (found.status, found.headers["cache-control"]) == (200, "no-store")
    made = found.json
    assert (made["token_type"], made["expires_in"], made["scope"], made["trust"]) == (
        "Bearer",
        120,
        "deploy.status",
        "deploy-main",
    )
    assert made["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert verify(exchange.house, question(made["access_token"], audience=TARGET, tool=None)).valid
    kinds = [r["type"] for r in records(exchange.house)[-3:]]
    assert kinds == ["task.opened", "token.issued", "token.exchanged"]
    again = ask(served, token)
    assert (again.status, again.json["error"], again.json["reason"]) == (400, "invalid_grant", "jti_replayed")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"grant_type": None}, "invalid_request"),
    ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
    ({"subject_token": None}, "invalid_request"),
    ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
    ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
    ({"audience": None}, "invalid_request"),
    ({"audience": "https://else.example.org"}, "invalid_target"),
    ({"audience": "two words"}, "invalid_request"),
    ({"intent": None}, "invalid_request"),
    ({"intent": "other"}, "invalid_grant"),
    ({"scope": "deploy.everything"}, "invalid_scope"),
    ({"scope": "a?"}, "invalid_request"),
    ({"ttl": "45m"}, "invalid_grant"),
    ({"ttl": "soon"}, "invalid_request"),
    ({"trust": "none"}, "invalid_request"),
    ({"actor_token": "x"}, "invalid_request"),
    ({"subject_token": "a.b.c"}, "invalid_request"),
    ({"subject_token": "a.b.c", "trust": "deploy-main"}, "invalid_grant"),
]


@pytest.mark.parametrize(("changes", "error"), REFUSED, ids=range(len(REFUSED)))
def test_a_refusal_is_oauths_and_grants_nothing(
    exchange: Exchange, served: Served, changes: dict[str, Any], error: str
) -> None:
    before = [r["type"] for r in records(exchange.house)].count("task.opened")
    found = ask(served, fresh(), **changes)
    assert (found.status, found.json["error"]) == (400, error), found.json
    assert '"' not in found.json["error_description"]
    assert [r["type"] for r in records(exchange.house)].count("task.opened") == before


def test_a_parameter_that_is_there_twice_is_refused(served: Served) -> None:
    body = urlencode(fields(fresh())) + "&audience=https://else.example.org"
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert served.ask("POST", "/token", body.encode(), headers=kind).json["error"] == "invalid_request"
    assert served.ask("POST", "/token", b"{}", headers={"content-type": "application/json"}).status == 400


def test_a_token_that_nobody_waits_for_is_revoked(exchange: Exchange, served: Served) -> None:
    body = urlencode(fields(fresh())).encode()
    head = b"POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    before = len(records(exchange.house))
    with served.raw() as sock:
        sock.sendall(head + f"content-length: {len(body)}\r\n\r\n".encode() + body)
    for _ in range(200):
        made = records(exchange.house)[before:]
        if made and made[-1]["type"] == "token.revoked":
            break
        time.sleep(0.02)
    assert [r["type"] for r in made] == ["task.opened", "token.issued", "token.exchanged", "token.revoked"]
    assert show(exchange.house, made[1]["jti"])["state"] == "revoked"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def delegating(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(
        chain.house, tmp_path_factory.mktemp("s") / "s", tcp=True, base="http://pdp", audience=delegation_home.AUDIENCE
    )
    yield made
    made.stop()


def hand_on(served: Served, token: str, proof: bytes | None = None, **changes: str | None) -> Answered:
    given: Any = {
        "grant_type": oauth.GRANT, "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token", "to": "one",
        "scope": "a.read?args.n<=5&args.n>=0",
    } | changes  # fmt: skip
    headers = {"dpop": proof.decode()} if proof is not None else None
    return served.form("/token", headers, **{name: value for name, value in given.items() if value is not None})


def test_a_task_token_is_handed_on_narrower_bound_and_with_its_chain(chain: Chain, delegating: Served) -> None:
    root = chain.root()
    first = hand_on(delegating, root.token, ttl="2m")
    assert first.status == 200, first.json
    made = first.json
    assert (made["token_type"], made["expires_in"], made["act"], made["task"]) == ("DPoP", 120, ["one"], root.task)
    assert chain.verify(made["access_token"], args={"n": 5}).valid
    assert chain.verify(made["access_token"], args={"n": 6}).reason == "authz_insufficient"
    unproven = hand_on(delegating, made["access_token"], to="two").json
    assert (unproven["error"], unproven["reason"]) == ("invalid_grant", "pop_required")
    second = hand_on(delegating, made["access_token"], chain.delegating(made["access_token"], "one"), to="two")
    assert second.json["act"] == ["two", "one"]
    held = {"authorization": f"DPoP {second.json['access_token']}"}
    body = evaluation("two", "a.read", {"n": 1})
    bare = delegating.evaluate(body, headers=held).json
    assert (bare["decision"], bare["context"]["reason"]) == (False, "pop_required")
    shown = chain.proof(second.json["access_token"], "two", htm="POST", htu="http://pdp/access/v1/evaluation").decode()
    assert delegating.evaluate(body, headers=held | {"dpop": shown}).json["decision"]
    again = delegating.evaluate(body, headers=held | {"dpop": shown}).json
    assert (again["decision"], again["context"]["reason"]) == (False, "dpop_replay")
    revoke(chain.house, Selector(jti=root.jti), None)
    gone = chain.proof(second.json["access_token"], "two", htm="POST", htu="http://pdp/access/v1/evaluation").decode()
    assert not delegating.evaluate(body, headers=held | {"dpop": gone}).json["decision"]


def test_a_resource_server_hands_on_the_proof_that_it_was_shown(
    chain: Chain, tmp_path_factory: pytest.TempPathFactory
) -> None:
    served = Served(chain.house, tmp_path_factory.mktemp("s") / "s")
    try:
        token = chain.chain("one")[1].token
        htm, htu = "POST", "https://api.example.org/read"

        def ask(**more: Any) -> Any:
            shown = {"token": token, "audience": delegation_home.AUDIENCE} | more
            return served.evaluate(evaluation("one", "a.read", {"n": 1}, **shown)).json["context"]["reason"]

        assert ask() == "pop_required"
        proof = chain.proof(token, "one", htm=htm, htu=htu).decode()
        assert ask(dpop_proof=proof, htm=htm, htu=htu + "/else") == "dpop_htu"
        assert ask(dpop_proof=proof, htm=htm, htu=htu) == "permitted"
        found = served.form("/introspect", token=token).json  # the proof is for whoever asks to see
        assert (found["active"], found["token_type"]) == (True, "DPoP")
        assert found["cnf"]["jkt"]
    finally:
        served.stop()


HANDED: list[tuple[dict[str, Any], str, str]] = [
    ({"to": None}, "invalid_request", ""),
    ({"scope": None}, "invalid_request", ""),
    ({"to": "nobody"}, "invalid_request", "agent_unknown"),
    ({"to": "six"}, "invalid_grant", ""),
    ({"scope": "a.read"}, "invalid_scope", "scope_widened"),
    ({"audience": "urn:else"}, "invalid_target", "audience_widened"),
    ({"subject_token": "a.b.c"}, "invalid_grant", "token_bad_base64"),
    ({"instance": "two words"}, "invalid_request", ""),
]


@pytest.mark.parametrize(("changes", "error", "reason"), HANDED, ids=range(len(HANDED)))
def test_what_may_not_be_handed_on_is_refused(
    chain: Chain, delegating: Served, changes: dict[str, Any], error: str, reason: str
) -> None:
    before = [r["type"] for r in records(chain.house)].count("token.delegated")
    found = hand_on(delegating, chain.root().token, **changes)
    assert (found.status, found.json["error"]) == (400, error), found.json
    assert not reason or found.json["reason"] == reason, found.json
    assert [r["type"] for r in records(chain.house)].count("token.delegated") == before


def test_what_is_advertised_is_served_and_nothing_else(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("public")
    authority = Authority(folder / "home")
    publish(authority.house, str(folder / "www"))
    token = add_token(authority.house, authority.task)
    served = Served(authority.house, folder / "s", base=ISSUER, folder=str(folder / "www"))
    try:
        oauth_says = served.ask("GET", "/.well-known/oauth-authorization-server").json
        authzen_says = served.ask("GET", "/.well-known/authzen-configuration").json
        openid_says = served.ask("GET", "/.well-known/openid-configuration").json
        assert oauth_says["issuer"] == ISSUER == authzen_says["policy_decision_point"]
        paths = set(served.ask("GET", "/openapi.json").json["paths"])
        for said in (oauth_says, authzen_says, openid_says):
            for name, url in said.items():
                if name.endswith(("_endpoint", "_uri")):
                    assert url.startswith(ISSUER), name
                    assert urlsplit(url).path in paths, name
                    assert served.ask("GET", urlsplit(url).path).status in (200, 405), name
        assert served.ask("GET", "/jwks.json").body == (folder / "www" / "jwks.json").read_bytes()
        assert served.ask("GET", "/spiffe-bundle.json").json["keys"][0]["use"] == "jwt-svid"
        lists = served.ask("GET", "/status/aggregation.json").json["status_lists"]
        first = served.ask("GET", urlsplit(lists[0]).path)
        assert (first.status, first.headers["content-type"]) == (200, "application/statuslist+jwt")
        revoke(authority.house, Selector(jti=token.jti), None)
        assert (
            served.ask("GET", urlsplit(lists[0]).path).body != first.body
        )  # spread before the revocation was answered
        assert served.ask("GET", "/status/99.jwt").status == 404
        for path in ("/status/x.jwt", "/status/../jwks.json", "/%2e%2e/home/kek", "/status/1.jwt/", "/home/kek"):
            assert served.ask("GET", path).status == 404, path
    finally:
        served.stop()
        authority.house.close()


def test_without_a_folder_or_an_address_nothing_is_promised(served: Served) -> None:
    for path in (
        "/jwks.json",
        "/status/0.jwt",
        "/.well-known/oauth-authorization-server",
        "/.well-known/authzen-configuration",
    ):
        assert served.ask("GET", path).status == 404, path
    document = served.ask("GET", "/openapi.json").json
    assert set(document["paths"]) == {
        "/access/v1/evaluation", "/access/v1/evaluations", "/introspect", "/token", "/results", "/health/live", "/health/ready",
        "/metrics",
    }  # fmt: skip


def test_the_figures_are_prometheus_text(served: Served) -> None:
    found = served.ask("GET", "/metrics")
    assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
    kinds: dict[str, str] = {}
    samples: dict[str, float] = {}
    for line in found.body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            series, value = line.rsplit(" ", 1)
            assert series not in samples
            samples[series] = float(value)
            family = series.partition("{")[0]
            stem = family.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            assert kinds.get(family) in ("counter", "gauge") or kinds.get(stem) == "histogram", series
    assert kinds["nhictl_request_seconds"] == "histogram"
    assert samples['nhictl_requests_total{endpoint="/token",status="400"}'] >= len(REFUSED)
    whole = 'nhictl_request_seconds_bucket{endpoint="/token",le="+Inf"}'
    assert samples[whole] == samples['nhictl_request_seconds_count{endpoint="/token"}']
    assert samples["nhictl_log_records"] > 0
