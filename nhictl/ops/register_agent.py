"""`agent register`: a new identity with an accountable owner, and a public key of its own if one is given or made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.identity import spiffe
from nhictl.core.token import jws
from nhictl.errors import ConflictError, InputError, UnavailableError
from nhictl.ops import agents
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store import files

MAX_TEXT = 500


class Registration(NamedTuple):
    """What is asked for: owner and purpose are mandatory, the rest narrows or describes."""

    name: str
    owner: str
    purpose: str
    env: str | None = None
    trust: int = 0
    groups: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    expires_s: int | None = None


def public_from_jwk(data: bytes, file: str) -> dict[str, Any]:
    """The P-256 public JWK in `data`; InputError with the reason code for a private, foreign or broken one."""
    try:
        jwk = strict_json.loads(data)
    except strict_json.StrictJSONError as e:
        raise InputError(f"not a JWK: {e}", file=file, line=e.line, column=e.column, code="key_malformed") from e
    if not isinstance(jwk, dict):
        raise InputError("not a JWK: no object", file=file, code="key_malformed")
    try:
        public = jws.public_jwk(jws.load_public(jwk))
    except jws.KeyFaultError as e:
        hint = "register the public part only" if e.reason == "key_private" else None
        raise InputError(f"the key {e}", file=file, code=e.reason, hint=hint) from e
    if "kid" in jwk and not isinstance(jwk["kid"], str):
        raise InputError("the key's `kid` is no string", file=file, code="key_malformed")
    return public


def _check(asked: Registration) -> None:
    if why := spiffe.name_fault(asked.name):
        raise InputError(f"`{asked.name}` is no agent name: {why}", code="invalid_name")
    for what, text in (("owner", asked.owner), ("purpose", asked.purpose)):
        if not text.strip() or len(text) > MAX_TEXT or not text.isprintable():
            raise InputError(f"{what} is 1 to {MAX_TEXT} printable characters", code=f"invalid_{what}")
    if not 0 <= asked.trust <= 3:
        raise InputError(f"trust {asked.trust} is not 0 to 3", code="invalid_trust")
    pairs = [("an environment", asked.env or "x"), *(("a group", g) for g in asked.groups)]
    pairs += [("a label's name", key) for key, _ in asked.labels] + [("a label's value", v) for _, v in asked.labels]
    for what, text in pairs:
        if why := spiffe.label_fault(text, what):
            raise InputError(f"`{text}`: {why}", code="invalid_label")


def _write_private(path: Path, scalar: bytes, public: dict[str, str], kid: str) -> None:
    from nhictl.core.token import b64

    body = strict_json.dumps({**public, "d": b64.encode(scalar), "kid": kid, "alg": "ES256"}).encode() + b"\n"
    try:
        files.write_new(path, body)
    except FileExistsError as e:
        raise ConflictError(f"`{path}` exists already; it was not touched", code="key_file_exists") from e
    except OSError as e:
        raise UnavailableError(f"cannot write `{path}`: {(e.strerror or str(e)).lower()}") from e


def register(
    house: House, asked: Registration, public: dict[str, Any] | None, generate_to: Path | None
) -> tuple[dict[str, Any], Head]:
    """Register and return the agent; ConflictError if the name is taken, now or ever before.

    With `generate_to` a key is made, its private part goes to that new 0600 file and nowhere else.
    """
    _check(asked)
    scalar = None
    if generate_to is not None:
        scalar = jws.new_private(house.random(40))
        public = jws.public_jwk(jws.private_from_bytes(scalar))
    kid = jws.thumbprint(public) if public else None

    def decide(act: Act) -> dict[str, Any]:
        if table.by_name(act.db, asked.name) is not None:
            raise ConflictError(
                f"agent `{asked.name}` exists already", code="agent_exists", hint="names are never reused"
            )
        expires = None if asked.expires_s is None else act.now_us + asked.expires_s * 1_000_000
        doc = {
            "owner": asked.owner, "purpose": asked.purpose, "env": asked.env, "trust": asked.trust,
            "groups": list(asked.groups), "labels": dict(asked.labels), "attested": False,
            "expires_us": expires,
            "kid": kid, "jwk": public,
        }  # fmt: skip
        shown = {k: v for k, v in doc.items() if k not in ("expires_us", "purpose")}
        if expires is not None:
            shown["expires"] = times.rfc3339(expires)
        shown["spiffe_id"] = spiffe.agent_id(act.house.meta["trust_domain"], asked.name)
        seq = act.record("agent.registered", agent=asked.name, sealed={"purpose": asked.purpose}, ext=shown)
        table.add(act.db, asked.name, seq, "active", strict_json.dumps(doc))
        if scalar is not None and generate_to is not None and public is not None and kid is not None:
            _write_private(generate_to, scalar, public, kid)  # last: if it fails, nobody was registered
        row = table.by_name(act.db, asked.name)
        assert row is not None  # noqa: S101  # just added in this transaction
        return agents.to_json(act.house, row, act.now_us)

    return transact(house, decide)
