"""`selftest --negative`: tokens, calls and logs that must be refused, put to the product as it is installed.

One half runs in a home of its own that is thrown away, where bad tokens can be signed with the right key; the other puts
forgeries to the live home by checks that write nothing. Every area has a positive control: what refuses everything
proves nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core.token import b64, jws
from nhictl.errors import UnsafeError
from nhictl.ops.house import House
from nhictl.ops.selftest_calls import COUNTED, POLICY, approved_by_nobody
from nhictl.ops.selftest_tokens import FORGERIES, GARBLED, forge, symmetric
from nhictl.ops.token_facts import Question
from nhictl.store import agents as agent_table
from nhictl.store import log, sqlite

AUDIENCE: Final = "https://selftest.example/api"
DOMAIN: Final = "selftest.example"


class Check(NamedTuple):
    """One question and its answer: what must come out, and what did."""

    area: str
    name: str
    expected: str
    got: str

    @property
    def passed(self) -> bool:
        """Whether exactly the expected answer came."""
        return self.expected == self.got

    def to_json(self) -> dict[str, Any]:
        """`{"area","name","expected","got","passed"}`."""
        return {**self._asdict(), "passed": self.passed}


def negative(live: House | None) -> list[Check]:
    """Run the battery; with `live` also against that home, of which nothing is changed."""
    with tempfile.TemporaryDirectory(prefix="nhictl-selftest-") as folder:
        own = House(Path(folder) / "home", Path(folder) / "home" / "nhictl.db")
        try:
            found = [*_tokens(own), *_calls(own), *_states(own), *_logs(own, Path(folder))]
        finally:
            own.close()
    if live is not None:
        found.extend(_live(live))
    return found


def _tokens(house: House) -> Iterator[Check]:
    """A good token is valid; every forged or garbled one gets its own reason."""
    from nhictl.ops.activate_policy import activate
    from nhictl.ops.init import initialise
    from nhictl.ops.register_agent import Registration, register

    initialise(house, DOMAIN, None)
    activate(house, [("policy", json.dumps(POLICY).encode())])
    register(house, Registration("bot", "selftest", "selftest"), None, None)
    good = _issue(house, _task(house))
    own, stranger = _private(house), jws.private_from_bytes(jws.new_private(house.random(40)))
    yield Check("token", "control: the good token", "valid", _verify(house, good))
    for forgery in FORGERIES:
        yield Check("token", forgery.name, forgery.reason, _verify(house, forge(good, forgery, own, stranger)))
    for garbled in GARBLED:
        yield Check("token", garbled.name, garbled.reason, _verify(house, garbled.make(good)))
    public = json.loads(_key(house).public)
    yield Check("token", "signed with the public key", "alg_not_allowed", _verify(house, symmetric(good, public)))
    yield Check("token", "control: the good token once more", "valid", _verify(house, good))


def _calls(house: House) -> Iterator[Check]:
    """What the scope and the policy do not allow is denied, by plain and live checks alike."""
    token = _issue(house, _task(house))
    asked: list[tuple[str, str, str, dict[str, Any]]] = [
        ("control: a call inside the scope", "valid", "read", {"limit": 100}),
        ("an argument beyond the scope", "authz_insufficient", "read", {"limit": 101}),
        ("an argument left out", "authz_insufficient", "read", {}),
        ("an argument of another type", "authz_insufficient", "read", {"limit": "5"}),
        ("a tool outside the scope", "authz_insufficient", "write", {}),
        ("a tool whose name begins alike", "authz_insufficient", "reader", {"limit": 5}),
        ("a forbidden call", "forbidden", "purge", {}),
        ("a high-impact call without approval", "approval_required", "pay", {"amount": 1}),
    ]
    for name, expected, tool, args in asked:
        yield Check("call", name, expected, _verify(house, token, tool, args))
        yield Check("call", f"{name}, live", expected, _verify(house, token, tool, args, live=True))
    fresh = _issue(house, _task(house))
    for name, expected, tool, args, context in COUNTED:
        yield Check("call", name, expected, _verify(house, fresh, tool, args, context, live=True))
    yield Check(
        "call", "an approval by a key of nobody's", "approver_unknown", approved_by_nobody(house, token, AUDIENCE)
    )
    after = _verify(house, token, "pay", {"amount": 2}, live=True)
    yield Check("call", "a call after that", "approval_required", after)


def _states(house: House) -> Iterator[Check]:
    """What was ended stays ended: revoked, killed, used up, suspended."""
    from nhictl.ops.change_agent import change
    from nhictl.ops.end_task import end_task
    from nhictl.ops.revoke_token import Selector, revoke

    once = _issue(house, _task(house), uses=1)
    yield Check("state", "control: one use is one use", "valid", _verify(house, once, live=True))
    yield Check("state", "a use too many", "uses_exhausted", _verify(house, once, live=True))
    first, task = _issue(house, _task(house)), _task(house)
    second = _issue(house, task)
    revoke(house, Selector(token=first.encode()), None)
    yield Check("state", "a revoked token", "token_revoked", _verify(house, first))
    yield Check("state", "control: its neighbour", "valid", _verify(house, second))
    end_task(house, task, "killed", None)
    yield Check("state", "a killed task's token", "task_killed", _verify(house, second))
    third = _issue(house, _task(house))
    change(house, "bot", "suspend", None)
    yield Check("state", "a suspended agent's token", "agent_suspended", _verify(house, third))
    change(house, "bot", "resume", None)
    yield Check("state", "control: resumed", "valid", _verify(house, third))


def _logs(house: House, folder: Path) -> Iterator[Check]:
    """A log that was altered is not verified."""
    from nhictl.ops import audit_log

    exported = folder / "log"
    note = audit_log.newest(house)[0].encode()
    with exported.open("wb") as out:
        audit_log.export_native(house, out)
    lines = exported.read_bytes().split(b"\n")[:-1]
    keys: list[tuple[str | None, bytes]] = [(None, key) for key in audit_log.public_keys(house)]
    anchor = audit_log.parse_anchor(note, "anchor")
    middle = len(lines) // 2
    flipped = lines[middle].replace(b'"outcome":"', b'"outcome":"x', 1)
    cases: list[tuple[str, str, list[bytes]]] = [
        ("control: the log as it is", "VERIFIED", lines),
        ("a byte more in a record", "TAMPERED", [*lines[:middle], flipped, *lines[middle + 1 :]]),
        ("a record left out", "TAMPERED", [*lines[:middle], *lines[middle + 1 :]]),
        ("two records swapped", "TAMPERED", [*lines[:2], lines[3], lines[2], *lines[4:]]),
        ("a record twice", "TAMPERED", [*lines[: middle + 1], *lines[middle:]]),
        ("the last records cut off", "TAMPERED", [*lines[:-4], lines[-1]]),
    ]
    for name, expected, made in cases:
        exported.write_bytes(b"\n".join(made) + b"\n")
        yield Check("log", name, expected, audit_log.verify_file(exported, house, [anchor], keys).verdict)
    stranger: list[tuple[str | None, bytes]] = [(None, bytes(32))]
    exported.write_bytes(b"\n".join(lines) + b"\n")
    got = audit_log.verify_file(exported, house, [], stranger).verdict
    yield Check("log", "keys of somebody else", "TAMPERED", got)


def _live(house: House) -> Iterator[Check]:
    """Forgeries under the live home's own key names; checks that write nothing, and a look whether they did."""
    from nhictl.ops.check_policy import Bench, Call

    with sqlite.guarded("read the log"):
        before = log.head(house.db)
    stranger = jws.private_from_bytes(jws.new_private(house.random(40)))
    now = house.clock() // 1_000_000
    claims = {
        "iss": house.meta["issuer"], "sub": f"spiffe://{house.meta['trust_domain']}/agent/nobody", "client_id": "nobody",
        "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300, "jti": b64.encode(house.random(16)), "txn": "t-none",
    }  # fmt: skip
    for row in house.issuer().keys:
        kid = row[0]["kid"]
        token = jws.sign({"alg": "ES256", "typ": "at+jwt", "kid": kid}, json.dumps(claims).encode(), stranger)
        expected = "key_revoked" if row[1] else "signature_invalid"
        yield Check("live home", f"a forgery under key {kid[:12]}", expected, _verify(house, token))
        unsigned = jws.sign({"alg": "none", "typ": "at+jwt", "kid": kid}, json.dumps(claims).encode(), stranger)
        yield Check("live home", f"no signature under key {kid[:12]}", "alg_none", _verify(house, unsigned))
    own = jws.sign({"alg": "ES256", "typ": "at+jwt", "kid": "own"}, json.dumps(claims).encode(), stranger)
    yield Check("live home", "a key of nobody", "kid_unknown", _verify(house, own))
    place = Bench(house, None, None)
    active = place.policy() is not None
    decision = place.decide(Call("nhictl.selftest.undeclared", agent="nhictl-selftest-nobody"))
    expected = "invalid_request" if active else "not_permitted"
    yield Check("live home", "a call by nobody to nothing", expected, decision.reason)
    with sqlite.guarded("read the log"):
        after = log.head(house.db)
    same = before is not None and after is not None and after.size >= before.size
    yield Check("live home", "control: the log is there and did not shrink", "true", str(same).lower())


def _key(house: House) -> agent_table.KeyRow:
    row = agent_table.active_key(house.db, "token")
    if row is None:
        raise UnsafeError("the home has no active token key", code="no_token_key")
    return row


def _private(house: House) -> Any:
    return house.opened(_key(house), jws.private_from_bytes)


def _task(house: House) -> str:
    from nhictl.core.policy.box import box_from_mapping
    from nhictl.ops.open_task import Order, open_task

    boxes: list[dict[str, Any]] = [
        {"tools": ["read"], "when": {"args.limit": {"lte": 100}}},
        {"tools": ["purge", "pay", "count", "spend", "described"]},
    ]
    order = Order("bot", "selftest", "selftest", tuple(box_from_mapping(box) for box in boxes), instance="selftest")
    return str(open_task(house, order)[0]["id"])


def _issue(house: House, task: str, uses: int | None = None) -> str:
    from nhictl.ops.issue_token import issue_token

    return issue_token(house, task, AUDIENCE, uses=uses)[0].token


def _verify(
    house: House, token: str, tool: str | None = None, args: Any = None, context: Any = None, *, live: bool = False
) -> str:
    from nhictl.ops.verify_token import consume, verify

    asked = Question(token.encode(), AUDIENCE, tool, args, context=context)
    return consume(house, asked)[0].reason if live else verify(house, asked).reason
