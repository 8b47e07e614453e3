"""What limits stand at, from the store: read for a decision, reserved inside the act that allows a call, settled later.

A call is reserved under the number of its `token.used` record, before the answer leaves, so that a race for the last one
has one winner. An enforcement point that learns the result says so by `settle`, in the act that records it.
"""

from __future__ import annotations

from collections.abc import Iterable

from nhictl.core.policy.cost import add, amount_text, read_amount
from nhictl.core.policy.counters import Result, checked, correction
from nhictl.core.policy.limits import NONE, Charge, Counter, Used
from nhictl.core.policy.types import Refused
from nhictl.errors import ConflictError, InputError, UndecidableError
from nhictl.ops.act import Act
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import counters as table
from nhictl.store import log, segments


class StoredCounters:
    """Counters as of the first `below` records."""

    def __init__(self, house: House, below: int = agent_table.LATEST) -> None:
        self._house = house
        self._below = below

    def used(self, counter: Counter, since_us: int | None) -> Used:
        """What was used later than `since_us`; None: ever.

        UndecidableError (3) about a past of which `audit prune` let go.
        """
        db = self._house.db
        if self._below != agent_table.LATEST and self._gone(since_us):
            raise UndecidableError("what limits stood at then was let go of", code="indeterminate")
        ident = table.find(db, _digest(self._house, counter))
        if ident is None:
            return NONE
        now = table.sums(db, ident, self._below)
        if since_us is None:
            before, back = table.Sums(0, "0", 0), [table.refunded(db, ident, self._below)]
        else:
            before = table.sums_at(db, ident, since_us, self._below)
            back = table.refunds(db, ident, since_us, self._below)
        calls, spend = now.calls - before.calls, add(read_amount(now.spend), -read_amount(before.spend))
        for given, amount in back:
            calls, spend = calls - given, add(spend, -read_amount(amount))
        return Used(calls, spend, now.bytes_out - before.bytes_out)

    def _gone(self, since_us: int | None) -> bool:
        """Whether charges that were let go of can matter: none is later than tokens that were."""
        since = since_us if since_us is not None else log.time(self._house.db, self._below - 1) or 0
        return since < segments.tokens_gone(self._house.db) * 1_000_000


def _digest(house: House, counter: Counter) -> bytes:
    return table.digest_of(house.meta["chain"], counter)


def reserve(act: Act, charges: Iterable[Charge], seq: int) -> None:
    """Take what an allowed call takes, under the number of its record. The limits were found to hold in this very act."""
    for charge in charges:
        ident = table.make(act.db, _digest(act.house, charge.counter))
        before = table.sums(act.db, ident)
        spend = amount_text(add(read_amount(before.spend), charge.spend or 0))
        table.put(act.db, ident, seq, act.ts, table.Sums(before.calls + 1, spend, before.bytes_out))
        table.reserve(act.db, seq, ident, None if charge.spend is None else amount_text(charge.spend), act.ts)


def settle(act: Act, call: int, result: Result, by: int) -> int:
    """Settle the call that record `call` allowed by record `by`, which this act has appended; returns the counters settled.

    0 for a call that no limit counted. InputError (2) for an impossible result, ConflictError (5) if it was settled before:
    its result is what was said first.
    """
    try:
        result = checked(result)
    except Refused as e:
        raise InputError(f"the result {e}", code="invalid_request") from e
    found = table.taken(act.db, call)
    if any(each.settled is not None for each in found):
        raise ConflictError(f"the call of record {call} is settled", code="already_settled")
    for each in found:
        calls, back, more = correction(None if each.spend is None else read_amount(each.spend), result)
        if calls or back:
            had = table.refunded(act.db, each.counter)
            everything = (had[0] + calls, amount_text(add(read_amount(had[1]), back)))
            table.give_back(act.db, each.counter, by, each.ts, (calls, amount_text(back)), everything)
        if more or result.bytes_out:
            before = table.sums(act.db, each.counter)
            spend = amount_text(add(read_amount(before.spend), more))
            after = table.Sums(before.calls, spend, before.bytes_out + result.bytes_out)
            table.put(act.db, each.counter, by, act.ts, after)
    table.settle(act.db, call, by)
    return len(found)
