"""What a CI job's token has to pass to be exchanged, in order; `token exchange` stops at the first, `trust explain` goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core.token.verdict import RejectedError
from nhictl.core.trust import match, providers, request, subject
from nhictl.core.trust.value import Trust
from nhictl.ops import agents
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import belongings
from nhictl.store import trusts as table

if TYPE_CHECKING:
    from nhictl.core.policy.box import Box
    from nhictl.core.policy.compiled import Policy

LATEST = agent_table.LATEST


class Asked(NamedTuple):
    """What a job asks for: a task with that intent, and a token for that audience. Times in seconds, None: the trust's."""

    intent: str
    audience: str
    allow: tuple[Box, ...] = ()
    ttl_s: int | None = None
    deadline_s: int | None = None
    purpose: str | None = None


class Case:
    """One token before one trust: the facts there are, and what the checks have found out so far."""

    def __init__(
        self, house: House, row: table.TrustRow, token: bytes, now_us: int, *, below: int = LATEST,
        asked: Asked | None = None, policy: Policy | None = None,
    ) -> None:  # fmt: skip
        self.house = house
        self.row = row
        self.trust = Trust.from_json(row.doc)
        self.token = token
        self.now_us = now_us
        self.below = below
        self.asked = asked
        self.policy = policy
        self.subject: subject.Subject | None = None
        self.claims: dict[str, Any] | None = None
        self.signed = False
        self.typed = False
        self.scope: list[dict[str, Any]] = []

    @property
    def parts(self) -> subject.Subject:
        """The token taken apart; a check that needs it does not run before it is."""
        if self.subject is None:
            raise RejectedError(1, "token_empty")
        return self.subject

    @property
    def said(self) -> dict[str, Any]:
        """The claims; a check that needs them does not run before they are read."""
        return self.claims or {}

    def has(self, what: str) -> bool:
        """Whether `token`, `claims` or `types` have been read; of nothing, always."""
        read = {"": True, "token": self.subject is not None, "claims": self.claims is not None, "types": self.typed}
        return read[what]

    @property
    def proved(self) -> str:
        """`unproven`: no pinned key signed it; `foreign`: it is about others; `own`: the ids are those of the trust."""
        if not self.signed:
            return "unproven"
        return "own" if match.is_ours(self.trust, self.said) else "foreign"

    @property
    def instance(self) -> str:
        """The running copy the token stands for."""
        return providers.instance_of(self.trust.of, self.trust.issuer, self.said)

    def shown(self) -> dict[str, Any]:
        """The claims that may be shown and kept."""
        return providers.shown(self.trust.of, tuple(self.trust.match), self.said)


class Check(NamedTuple):
    """A check: its name, the first step it is, what it needs to have been read (token, claims, types), and itself."""

    name: str
    needs: str
    run: Callable[[Case], None]


def _format(case: Case) -> None:
    case.subject = subject.parse(case.token)


def _algorithm(case: Case) -> None:
    subject.check_algorithm(case.parts, case.trust)


def _claims(case: Case) -> None:
    case.claims = subject.claims_of(case.parts)


def _signature(case: Case) -> None:
    subject.check_algorithm(case.parts, case.trust)
    subject.check_signature(case.parts, case.trust)
    case.signed = True


def _types(case: Case) -> None:
    subject.check_types(case.said)
    case.typed = True


def _agent(case: Case) -> None:
    row = agent_table.by_name(case.house.db, case.trust.agent, case.below)
    if row is None:
        raise RejectedError(14, "agent_unknown")
    state = agents.state_at(row, case.now_us)
    if state == "suspended":
        raise RejectedError(14, "agent_suspended")
    if state != "active":
        raise RejectedError(14, "agent_retired", "its registration has expired" if state == "expired" else "")
    if case.typed and belongings.is_suspended(case.house.db, row.id, case.instance, case.below):
        raise RejectedError(14, "agent_suspended", f"its instance `{case.instance}` is suspended")


def _single_use(case: Case) -> None:
    if (seq := table.spent(case.house.db, subject.mark(case.said, case.trust), case.below)) is not None:
        raise RejectedError(18, "jti_replayed", f"exchanged by record {seq}: each token of a job is good once")


def _request(case: Case) -> None:
    asked = case.asked
    if asked is None:
        return
    request.check_intent(case.trust, asked.intent)
    request.check_audience(case.trust, asked.audience)
    request.check_lengths(case.trust, asked.ttl_s, asked.deadline_s)
    case.scope = request.granted(case.trust, asked.allow, _ceiling(case) if asked.allow else (), case.policy)


def _ceiling(case: Case) -> tuple[Box, ...]:
    """The ceiling as the catalogue of today reads it; a box that it does not understand any more equals nothing."""
    from nhictl.core.policy.box import box_from_mapping
    from nhictl.errors import InputError

    found = []
    for entry in case.trust.scope:
        try:
            found.append(box_from_mapping(entry, case.policy))
        except InputError:
            continue
    return tuple(found)


CHECKS: Final = (
    Check("format", "", _format),
    Check("algorithm", "token", _algorithm),
    Check("claims", "token", _claims),
    Check("issuer", "claims", lambda case: subject.check_issuer(case.said, case.trust)),
    Check("signature", "claims", _signature),
    Check("required claims", "claims", _types),
    Check("times", "types", lambda case: subject.check_times(case.said, case.trust, case.now_us)),
    Check("audience", "types", lambda case: subject.check_audience(case.said, case.trust)),
    Check("match", "claims", lambda case: match.check(case.trust, case.said)),
    Check("agent", "", _agent),
    Check("single use", "types", _single_use),
    Check("request", "", _request),
)


def judge(case: Case) -> None:
    """Run the checks; RejectedError of the first that refuses."""
    if case.row.ended is not None:
        raise RejectedError(8, "trust_removed", f"by record {case.row.ended}")
    for check in CHECKS:
        check.run(case)


def everything(case: Case) -> list[tuple[str, RejectedError | bool | None]]:
    """Every check with its refusal, None if it passed, False if it could not be made."""
    found: list[tuple[str, RejectedError | bool | None]] = []
    for check in CHECKS:
        if check.name == "request" and case.asked is None:
            continue
        if not case.has(check.needs):
            found.append((check.name, False))
            continue
        try:
            check.run(case)
        except RejectedError as e:
            found.append((check.name, e))
        else:
            found.append((check.name, None))
    return found
