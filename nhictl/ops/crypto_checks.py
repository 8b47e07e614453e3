"""Low-level checks of other people's keys, signatures and names: one answer each, `valid` and `reason`. No home needed.

A batch line is read here too: its members are the names of the contract §1, exactly those.
"""

from __future__ import annotations

from typing import Any, Final

from nhictl.core.identity import spiffe
from nhictl.errors import InputError

MAX_INPUT: Final = 1_000_000
"""Bytes that are read of a key, a set, a bundle or a JWS: as much as a batch line may have."""

_WORDS: Final[dict[type, str]] = {str: "a string", int: "a whole number", list: "an array"}


def verify_jws(jwk: Any, jws: bytes) -> tuple[dict[str, Any], bytes]:
    """Whether a compact JWS holds under the one JWK given, and its payload if so; see `core.token.any_jws`."""
    from nhictl.core.token import any_jws
    from nhictl.core.token.verdict import RejectedError

    try:
        header, payload = any_jws.verify(jws, jwk, MAX_INPUT)
    except RejectedError as e:
        return _no(e.reason, e.message), b""
    return {"valid": True, "reason": "valid", "alg": header["alg"]}, payload


def lint_jwks(value: Any) -> dict[str, Any]:
    """What is wrong with a JWK set: valid unless a finding is an error."""
    from nhictl.core.token import jwks

    return _findings(jwks.lint(value))


def lint_bundle(value: Any) -> dict[str, Any]:
    """What is wrong with a SPIFFE bundle: valid unless a finding is an error."""
    from nhictl.core.identity import bundle

    return _findings(bundle.lint(value))


def thumbprint(value: Any) -> dict[str, Any]:
    """The RFC 7638 thumbprint of a public JWK, or the code of what is wrong with it."""
    from nhictl.core.token import jwk
    from nhictl.core.token.jws import KeyFaultError

    if not isinstance(value, dict):
        return _no("key_malformed", "the key is no JSON object")
    try:
        return {"valid": True, "reason": "valid", "thumbprint": jwk.thumbprint(value)}
    except KeyFaultError as e:
        return _no(e.reason, f"the key {e}")


def check_spiffe_id(value: str) -> dict[str, Any]:
    """Whether a text is a SPIFFE ID, with its trust domain and path; else the code of the rule it breaks."""
    found = spiffe.reason(value)
    if found is not None:
        return _no(*found)
    domain, path = spiffe.parse(value)
    return {"valid": True, "reason": "valid", "trust_domain": domain, "path": path}


def status_at(value: Any, idx: int) -> dict[str, Any]:
    """What a status list says of one index: valid when the entry is VALID, else the code of step 17; `status` is the entry.

    `value` is a `status_list` member, the claims around it, or a status list token, of which the signature is not looked at.
    """
    from nhictl.core.token import status_list
    from nhictl.core.token.verdict import RejectedError

    try:
        found = status_list.read(_list_in(value))
        entry = found.at(idx)
    except (RejectedError, status_list.ListFaultError) as e:
        return _no("status_list_invalid", f"the list {e}" if isinstance(e, ValueError) else f"{e.reason} {e.message}")
    except IndexError as e:
        return _no("status_index_out_of_range", str(e))
    reason = status_list.REASONS.get(entry, "status_unknown_value")
    return {"valid": entry == 0, "reason": reason, "status": entry, "bits": found.bits, "size": found.size}


def encode_statuses(value: Any, bits: int) -> dict[str, Any]:
    """An array of statuses as `{"bits","lst"}`; InputError (2) for what is none, or does not fit in `bits`."""
    from nhictl.core.token import status_list

    if not isinstance(value, list) or any(not isinstance(n, int) or isinstance(n, bool) for n in value):
        raise InputError("statuses are an array of whole numbers", code="invalid_statuses")
    try:
        return status_list.pack(len(value), bits, enumerate(value)).to_json()
    except ValueError as e:
        raise InputError(str(e), code="invalid_statuses") from e


def _list_in(value: Any) -> Any:
    from nhictl.core.token import compact, status_list

    if isinstance(value, str):
        _, (_, payload, _) = compact.split(value.strip().encode(), status_list.MAX_LIST)
        value = compact.json_object(payload, 7, "claims")
    return value["status_list"] if isinstance(value, dict) and "status_list" in value else value


def verify_dpop(
    proof: bytes, method: str, address: str, now_us: int, token: bytes | None = None, jkt: str | None = None
) -> dict[str, Any]:
    """Whether a DPoP proof holds for a request at a moment, by the key `jkt` and with `token` where those are given."""
    from nhictl.core.token import dpop
    from nhictl.core.token.verdict import RejectedError

    try:
        found = dpop.check(proof, dpop.Asked(method, address), now_us, token=token, jkt=jkt)
    except RejectedError as e:
        return _no(e.reason, e.message)
    return {"valid": True, "reason": "valid", "jkt": found.jkt}


def verify_dpop_line(line: dict[str, Any], now_us: int) -> dict[str, Any]:
    """A batch line `{"proof","htm","htu"}`, with `jkt`, `token` and `at` where they are wanted."""
    from nhictl.ops.reading import moment

    more: dict[str, Any] = {name: line.get(name) for name in ("jkt", "token", "at")}
    for name, value in more.items():
        if not isinstance(value, str | None):
            raise InputError(f"`{name}` has to be a string", code="invalid_request_line")
    plain = {name: value for name, value in line.items() if name not in more}
    proof, method, address = _members(plain, proof=str, htm=str, htu=str)
    at_us = now_us if more["at"] is None else moment("at", more["at"], now_us)
    token = more["token"].encode() if more["token"] is not None else None
    return verify_dpop(proof.encode(), method, address, at_us, token, more["jkt"])


def status_list_line(line: dict[str, Any]) -> dict[str, Any]:
    """A batch line `{"list","idx"}`, or `{"encode","bits"}`."""
    if "encode" in line:
        statuses, bits = _members({"bits": 2} | line, encode=list, bits=int)
        return {"valid": True, "reason": "valid", "status_list": encode_statuses(statuses, bits)}
    found, idx = _members(line, list=(str, dict), idx=int)
    return status_at(found, idx)


def verify_jws_line(line: dict[str, Any]) -> dict[str, Any]:
    """A batch line `{"jwk","jws"}`. A JWS in JSON serialization is an answer, not a malformed line."""
    jwk, jws = _members(line, jwk=dict, jws=(str, dict))
    text = jws.encode() if isinstance(jws, str) else b"{}"
    return verify_jws(jwk, text)[0]


def lint_jwks_line(line: dict[str, Any]) -> dict[str, Any]:
    """A batch line `{"jwks"}`."""
    return lint_jwks(*_members(line, jwks=dict))


def lint_bundle_line(line: dict[str, Any]) -> dict[str, Any]:
    """A batch line `{"bundle"}`."""
    return lint_bundle(*_members(line, bundle=dict))


def thumbprint_line(line: dict[str, Any]) -> dict[str, Any]:
    """A batch line `{"jwk"}`."""
    return thumbprint(*_members(line, jwk=dict))


def spiffe_id_line(line: dict[str, Any]) -> dict[str, Any]:
    """A batch line `{"value"}`."""
    return check_spiffe_id(*_members(line, value=str))


def _members(line: dict[str, Any], **wanted: type | tuple[type, ...]) -> list[Any]:
    """The members of a line in the order named; InputError for one that is missing, unknown or of another type."""
    if extra := sorted(line.keys() - wanted):
        raise InputError(f"no member `{extra[0]}` in a line of this check", code="invalid_request_line")
    for name, kind in wanted.items():
        if not isinstance(line.get(name), kind) or isinstance(line[name], bool):
            what = _WORDS.get(kind, "an object") if isinstance(kind, type) else "a string or an object"
            raise InputError(f"`{name}` has to be {what}", code="invalid_request_line")
    return [line[name] for name in wanted]


def _no(reason: str, message: str = "") -> dict[str, Any]:
    return {"valid": False, "reason": reason} | ({"message": message} if message else {})


def _findings(found: list[Any]) -> dict[str, Any]:
    return {"valid": not any(f.error for f in found), "findings": [f.to_json() for f in found]}
