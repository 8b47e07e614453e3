"""Token Status List (draft-ietf-oauth-status-list): many tokens' states as one compressed, signed array of small numbers.

A list is `{"bits":1|2|4|8,"lst":base64url(zlib(bytes))}`; entry `idx` stands in byte `idx * bits // 8`, lowest bits first
(§4.1). The token that carries it has `typ: statuslist+jwt` and names the address it is served at as its `sub` (§5.1).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.core.token import b64, claims, compact, jws
from nhictl.core.token.verdict import RejectedError

VALID, INVALID, SUSPENDED = 0, 1, 2
REASONS: Final = {VALID: "valid", INVALID: "token_revoked", SUSPENDED: "token_suspended"}
"""What an entry means for its token (§7.1), as the reason of a verdict; any other value is `status_unknown_value`."""
BITS: Final = (1, 2, 4, 8)
TYP: Final = "statuslist+jwt"
OWN_BITS: Final = 2
LIFE_S: Final = 900
"""How long a list of ours may be believed at all; whoever is stricter says so with `--max-stale`."""
TTL_S: Final = 60
MAX_INFLATED: Final = 4 << 20
"""Bytes of a list once inflated: 16 million entries of ours."""
MAX_LIST: Final = 6 << 20
"""Bytes of a status list token: what holds a list of that size that does not compress."""


class ListFaultError(ValueError):
    """Not a list: the message says why."""


class StatusList(NamedTuple):
    """A list once inflated: bits per entry and the packed entries."""

    bits: int
    packed: bytes

    @property
    def size(self) -> int:
        """How many entries it has."""
        return len(self.packed) * 8 // self.bits

    def at(self, idx: int) -> int:
        """The status of an entry; IndexError outside the list."""
        if not 0 <= idx < self.size:
            raise IndexError(f"index {idx} is not within the {self.size} entries")
        place = idx * self.bits
        return self.packed[place // 8] >> (place % 8) & ((1 << self.bits) - 1)

    def to_json(self) -> dict[str, Any]:
        """`{"bits","lst"}`, compressed as far as zlib goes."""
        return {"bits": self.bits, "lst": b64.encode(zlib.compress(self.packed, 9))}


def pack(size: int, bits: int, entries: Iterable[tuple[int, int]]) -> StatusList:
    """A list of at least `size` entries that are VALID but for the (index, status) given; of two, the later counts.

    ValueError for an index or a status that does not fit.
    """
    if bits not in BITS:
        raise ValueError(f"{bits} bits per entry are not 1, 2, 4 or 8")
    data = bytearray((size * bits + 7) // 8)
    if len(data) > MAX_INFLATED:
        raise ValueError(f"{size} entries of {bits} bits are over {MAX_INFLATED} bytes")
    mask = (1 << bits) - 1
    for idx, status in entries:
        if not 0 <= idx < size or not 0 <= status <= mask:
            raise ValueError(f"entry {idx} with status {status} does not fit {size} entries of {bits} bits")
        byte, shift = idx * bits >> 3, idx * bits & 7
        data[byte] = data[byte] & ~(mask << shift) | status << shift
    return StatusList(bits, bytes(data))


def read(value: Any) -> StatusList:
    """The list in a `status_list` member; ListFaultError for anything else, and for what inflates beyond MAX_INFLATED."""
    if not isinstance(value, dict):
        raise ListFaultError("is no JSON object")
    bits, lst = value.get("bits"), value.get("lst")
    if not isinstance(bits, int) or isinstance(bits, bool) or bits not in BITS:
        raise ListFaultError("has `bits` other than 1, 2, 4 or 8")
    if not isinstance(lst, str):
        raise ListFaultError("has no string `lst`")
    try:
        data = b64.decode(lst)
    except ValueError as e:
        raise ListFaultError(f"has an `lst` that is {e}") from e
    return StatusList(bits, _inflate(data))


def _inflate(data: bytes) -> bytes:
    machine = zlib.decompressobj()
    try:
        found = machine.decompress(data, MAX_INFLATED + 1)
    except zlib.error as e:
        raise ListFaultError("has an `lst` that is no zlib data") from e
    if len(found) > MAX_INFLATED:
        raise ListFaultError(f"inflates to more than {MAX_INFLATED} bytes")
    if not machine.eof or machine.unused_data:
        raise ListFaultError("has an `lst` that ends too early or too late")
    return found


def claims_of(uri: str, found: StatusList, now_s: int) -> dict[str, Any]:
    """The claims of a status list token of ours: `sub iat exp ttl status_list` (§5.1). Times in seconds."""
    return {"sub": uri, "iat": now_s, "exp": now_s + LIFE_S, "ttl": TTL_S, "status_list": found.to_json()}


def reference(claims_: dict[str, Any]) -> tuple[int, str] | None:
    """Step 17: the (index, uri) a token names its status under, None without; RejectedError `status_malformed`."""
    if "status" not in claims_:
        return None
    status = claims_["status"]
    named = status.get("status_list") if isinstance(status, dict) else None
    if not isinstance(named, dict):
        raise RejectedError(17, "status_malformed", "`status` names no status list")
    idx, uri = named.get("idx"), named.get("uri")
    if not isinstance(idx, int) or isinstance(idx, bool) or idx < 0 or not isinstance(uri, str) or not uri:
        raise RejectedError(17, "status_malformed", "`idx` is no index, or `uri` no address")
    return idx, uri


class Signed(NamedTuple):
    """A status list token whose signature and shape hold: its address, its times in seconds, its list."""

    uri: str
    issued: int
    expires: int | None
    list: StatusList


def parse(data: bytes, issuer: claims.Issuer) -> Signed:
    """A status list token of the issuer; RejectedError `status_list_invalid` with the reason of whatever refuses it."""
    try:
        text, (raw_header, raw_claims, signature) = compact.split(data, MAX_LIST)
        header = compact.json_object(raw_header, 3, "header")
        compact.check_header(header)
        if header.get("typ") not in (TYP, f"application/{TYP}"):
            raise RejectedError(5, "typ_mismatch", f"expected {TYP}")
        compact.check_alg(header, issuer.algorithms)
        body = compact.json_object(raw_claims, 7, "claims")
        claims.check_signature(compact.Parsed(header, body, text.rpartition(b".")[0], signature, text), issuer)
        return _shape(body, issuer)
    except RejectedError as e:
        raise RejectedError(17, "status_list_invalid", f"{e.reason}{f': {e.message}' if e.message else ''}") from e
    except ListFaultError as e:
        raise RejectedError(17, "status_list_invalid", f"the list {e}") from e


def _shape(body: dict[str, Any], issuer: claims.Issuer) -> Signed:
    if body.get("iss", issuer.iss) != issuer.iss:
        raise RejectedError(17, "iss_untrusted")
    uri, issued, expires = body.get("sub"), body.get("iat"), body.get("exp")
    if not isinstance(uri, str) or not uri:
        raise ListFaultError("names no address as its `sub`")
    for name, value in (("iat", issued), ("exp", expires)):
        known = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not known and not (name == "exp" and value is None):
            raise ListFaultError(f"has no time as its `{name}`")
    return Signed(uri, issued or 0, expires, read(body.get("status_list")))


def status(
    claims_: dict[str, Any], lists: Iterable[Signed], now_us: int, max_stale_s: int, *, past: bool = False
) -> int:  # fmt: skip
    """Step 17 offline: RejectedError if the token is not VALID by the newest list of its address; returns that list's age in s.

    `status_list_unavailable` and `status_list_stale` cannot be decided; every other reason is a refusal. Of a `past` moment
    a list made later says nothing, since what it says may have been changed in between: it is left out.
    """
    named = reference(claims_)
    if named is None:
        raise RejectedError(17, "status_missing", "the token names no status list")
    idx, uri = named
    found = [each for each in lists if each.uri == uri]
    if past and found and not (found := [each for each in found if each.issued * 1_000_000 <= now_us]):
        raise RejectedError(17, "status_list_unavailable", f"every list of {uri} that was given was made later")
    if not found:
        raise RejectedError(17, "status_list_unavailable", f"no list of {uri} was given")
    newest = max(found, key=lambda each: each.issued)
    age = now_us // 1_000_000 - newest.issued
    if age < -claims.LEEWAY_S:
        raise RejectedError(17, "status_list_invalid", f"the list was issued {-age} s in the future")
    if newest.expires is not None and now_us >= newest.expires * 1_000_000:
        raise RejectedError(17, "status_list_expired", f"{now_us // 1_000_000 - newest.expires} s ago")
    if age > max_stale_s:
        raise RejectedError(17, "status_list_stale", f"the list is {age} s old, at most {max_stale_s}")
    try:
        value = newest.list.at(idx)
    except IndexError as e:
        raise RejectedError(17, "status_index_out_of_range", str(e)) from e
    if value != VALID:
        known = value in REASONS
        raise RejectedError(17, REASONS.get(value, "status_unknown_value"), "" if known else f"status {value}")
    return max(age, 0)


def sign(kid: str, private: Any, claims_: dict[str, Any]) -> str:
    """A status list token, compact, ES256."""
    return jws.sign({"alg": "ES256", "typ": TYP, "kid": kid}, strict_json.dumps(claims_).encode(), private)
