"""A token's claims against those a trust names: exact, by type and value, and every one of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from nhictl.core import strict_json
from nhictl.core.token.verdict import RejectedError
from nhictl.core.trust import providers
from nhictl.core.trust.value import Trust

_SHOWN = 200


class Row(NamedTuple):
    """One claim: what the trust expects, any of which will do, what the token says (None: nothing), and whether it fits.

    `matches` is None where no claims could be read.
    """

    claim: str
    expected: list[Any]
    got: Any
    matches: bool | None

    def to_json(self) -> dict[str, Any]:
        """The members of a row of `trust explain`."""
        return self._asdict()


def rows(trust: Trust, claims: dict[str, Any] | None) -> list[Row]:
    """A row for each claim the trust names, ids first; without claims, what it expects."""
    said = claims or {}
    known = providers.shown(trust.of, tuple(trust.match), said)
    order = sorted(trust.match, key=lambda claim: (claim not in trust.of.ids, claim))
    found = []
    for claim in order:
        matches = None if claims is None else fits(trust.match[claim], said.get(claim))
        found.append(Row(claim, trust.match[claim], known.get(claim), matches))
    return found


def fits(expected: list[Any], got: Any) -> bool:
    """Whether `got` is one of `expected`: `"1"` is not `1`, and neither is `true`."""
    return any(type(got) is type(value) and got == value for value in expected)


def is_ours(trust: Trust, claims: dict[str, Any]) -> bool:
    """Whether the immutable ids are those of the trust, whatever else is wrong."""
    return all(fits(trust.match.get(claim, []), claims.get(claim)) for claim in trust.of.ids)


def check(trust: Trust, claims: dict[str, Any]) -> None:
    """Step 14: RejectedError claim_missing:NAME or claim_mismatch:NAME for the first claim that does not fit."""
    for row in rows(trust, claims):
        if row.matches:
            continue
        code = "claim_mismatch" if row.claim in claims else "claim_missing"
        raise RejectedError(14, f"{code}:{row.claim}", sentence(row))
    if not trust.match:
        raise RejectedError(14, "claim_missing:match", "the trust names no claim: it admits nobody")


def sentence(row: Row) -> str:
    """`expected "refs/heads/main", got "refs/heads/dev"`."""
    wanted = " or ".join(strict_json.dumps(value) for value in row.expected)
    got = "nothing" if row.got is None else strict_json.dumps(row.got)
    return f"expected {wanted[:_SHOWN]}, got {got[:_SHOWN]}"
