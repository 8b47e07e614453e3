"""`agent svid`: a short-lived certificate that says which agent holds a key, for mutual TLS and whatever else takes X.509.

Nothing ends one before its time, since nobody asks us when it is checked: that is why it is short-lived, and why
`agent suspend` says how many are still out.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core import times
from nhictl.core.identity import csr, spiffe, x509_svid
from nhictl.core.token import jws
from nhictl.errors import ConflictError, InputError, UnavailableError
from nhictl.ops import agent_keys, agents, frozen, instances, x509_authority
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store import belongings, files, sqlite, svids

DEFAULT_TTL_S: Final = 3600
MAX_TTL_S: Final = 24 * 3600
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"


class Certified(NamedTuple):
    """The key to certify: public JWK, thumbprint, where it comes from (`csr`, `own`, `made`), and PKCS #8 if made here."""

    jwk: dict[str, str]
    kid: str
    source: str
    private: bytes | None = None


class Issued(NamedTuple):
    """A certificate in PEM, the authorities to trust in PEM, the one that signed it first, and what `nhictl.svid/v1` says."""

    certificate: str
    authority: str
    anchors: list[str]
    shown: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The certificate, its chain up to the authority, and the bundle; all public."""
        return {
            "certificate": self.certificate,
            "chain": [self.certificate, self.authority],
            "bundle": self.anchors,
            **self.shown,
        }


def requested(house: House, name: str, data: bytes, file: str) -> Certified:
    """The key of a signing request; InputError (2) with the reason why it is not certified."""
    found = csr.read(data, file, _spiffe_id(house, name))
    return Certified(found.jwk, found.kid, "csr")


def own(house: House, name: str) -> Certified:
    """The key that the agent is registered with: its owner vouched for it, so nothing has to be proved again.

    NotFoundError (4) without such an agent, ConflictError (5) without such a key.
    """
    with sqlite.guarded("read the agents"):
        row = agents.find(house, name)
    doc = json.loads(row.doc)
    if doc["jwk"] is None:
        raise ConflictError(
            f"agent `{row.name}` has no key of its own", code="no_own_key",
            hint=f"nhictl agent rotate-key {row.name} …, or give a request with --csr",
        )  # fmt: skip
    return Certified(doc["jwk"], doc["kid"], "own")


def made(house: House) -> Certified:
    """A new P-256 key pair. The private part is nowhere but in the value returned."""
    scalar = jws.new_private(house.random(40))
    public = jws.public_jwk(jws.private_from_bytes(scalar))
    return Certified(public, jws.thumbprint(public), "made", x509_svid.private_pem(scalar))


def issue_svid(
    house: House, name: str, key: Certified, *, ttl_s: int = DEFAULT_TTL_S, instance: str | None = None,
    target: agent_keys.Target | None = None, bundle_out: Path | None = None,
) -> tuple[Issued, Head]:  # fmt: skip
    """Certify the key as the agent's and return the certificate with the log head after its record.

    NotFoundError (4) for an unknown agent; ConflictError (5) for an inactive one, a suspended instance, a key that is
    another's or that ended, or without an active authority. The life is cut at the agent's expiry and at the
    authority's end. A key that was made here goes to `target`, last of all, and the authorities to trust to `bundle_out`,
    where earlier ones are replaced.
    """
    if not 1 <= ttl_s <= MAX_TTL_S:
        raise InputError(f"an X.509-SVID lives 1s to {MAX_TTL_S // 3600}h", code="invalid_ttl")
    copy = instances.chosen(instance)
    handed = agent_keys.OwnKey(key.jwk, key.kid, key.private) if key.private is not None else None
    with agent_keys.Delivery(handed, target) as delivery:
        with sqlite.guarded("read the agents"):
            _ready(house, name, key, copy.id, house.clock())  # before an authority is made for nothing
        authority = x509_authority.ready(house)
        anchors = x509_authority.anchors(house)
        if bundle_out is not None:
            _write_bundle(bundle_out, anchors)

        def decide(act: Act) -> Issued:
            row = _ready(act.house, name, key, copy.id, act.now_us)
            if table.key_state(act.db, authority.row.id) != "active":
                raise ConflictError("the signing key was changed meanwhile", code="key_changed", hint="try again")
            asked = _asked(act, row, key, authority.own, ttl_s)
            der = x509_svid.sign(asked, authority.own, authority.private)
            shown = _shown(asked, row.name, copy.id, key.kid)
            ext = {name: shown[name] for name in ("serial", "not_before", "not_after")} | {
                "kid": key.kid,
                "key": key.source,
                "authority": authority.row.kid,
                "certificate": "sha256:" + sha256(der).hexdigest(),
            }
            seq = act.record("agent.svid_issued", agent=row.name, inst=copy.id, ext=ext)
            number = asked.serial.to_bytes(16, "big")
            svids.add(act.db, number, row.id, copy.id, key.kid, authority.row.id, seq, asked.not_after_s)
            delivery.write()
            return Issued(x509_svid.pem(der), x509_svid.pem(authority.own.der()), anchors, shown)

        return transact(house, decide)


def _write_bundle(out: Path, anchors: list[str]) -> None:
    """Replace a bundle of earlier; ConflictError (5) for a file of another kind, such as the key one mistook it for."""
    try:
        with out.open("rb") as file:
            before = file.read(len(_CERTIFICATE))
    except FileNotFoundError:
        before = b""
    except OSError as e:
        raise UnavailableError(f"cannot replace `{out}`: {(e.strerror or str(e)).lower()}") from e
    if before not in (b"", _CERTIFICATE):
        raise ConflictError(f"`{out}` holds something else; it was not touched", code="bundle_file_exists")
    files.replace_public(out, "".join(anchors).encode())


def _spiffe_id(house: House, name: str) -> str:
    domain = house.meta["trust_domain"]
    return spiffe.agent_id(domain, spiffe.agent_name(name, domain) or name)


def _ready(house: House, name: str, key: Certified, instance: str, now_us: int) -> table.AgentRow:
    """The agent, if it may be certified with that key in that instance."""
    row = agents.find(house, name)
    if (standing := agents.state_at(row, now_us)) != "active":
        raise wrong_state("agent", row.name, standing)
    frozen.refuse(house, row)
    instances.refuse_suspended(house, row, instance)
    _refuse_key(house, row, key.kid, now_us)
    return row


def _refuse_key(house: House, row: table.AgentRow, kid: str, now_us: int) -> None:
    """ConflictError (5) for a key of the authority or of another agent, and for an own one that has ended."""
    owner = belongings.key_owner(house.db, kid)
    if belongings.is_signing_key(house.db, kid):
        raise agent_keys.taken(kid, None)
    other = owner if owner != row.name else None
    if other := other or svids.key_owner(house.db, kid, row.id):
        raise agent_keys.taken(kid, other)
    good = {known["kid"] for known in agents.keys_at(row, now_us) if known["state"] != "ended"}
    if owner is not None and kid not in good:
        raise ConflictError(
            f"key `{kid}` of agent `{row.name}` was replaced and has ended", code="key_ended",
            hint="make another: what ended may have leaked",
        )  # fmt: skip


def _asked(
    act: Act, row: table.AgentRow, key: Certified, authority: x509_svid.Authority, ttl_s: int
) -> x509_svid.Svid:  # fmt: skip
    """Times in whole seconds. The last second of a certificate counts, to its end, so an expiry has to come after it."""
    now_s = act.now_us // 1_000_000
    if authority.not_after_s < now_s:
        raise ConflictError(
            "the certificate of the X.509 authority has ended", code="x509_authority_expired",
            hint="nhictl key prepare, then nhictl key activate",
        )  # fmt: skip
    last = min(now_s + ttl_s, authority.not_after_s)
    ends_us = json.loads(row.doc).get("expires_us")
    if ends_us is not None and (last := min(last, ends_us // 1_000_000 - 1)) <= now_s:
        raise wrong_state("agent", row.name, "expired", "its registration ends within this second")
    first = max(now_s - x509_authority.BACKDATE_S, authority.not_before_s)
    return x509_svid.Svid(_spiffe_id(act.house, row.name), key.jwk, x509_authority.serial(act.house), first, last)


def _shown(asked: x509_svid.Svid, agent: str, instance: str, kid: str) -> dict[str, Any]:
    return {
        "spiffe_id": asked.spiffe_id,
        "agent": agent,
        "instance": instance,
        "serial": f"{asked.serial:032x}",
        "not_before": times.rfc3339(asked.not_before_s * 1_000_000),
        "not_after": times.rfc3339(asked.not_after_s * 1_000_000),
        "key": kid,
    }
