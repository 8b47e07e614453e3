"""`token revoke`: name what is to end; one transaction ends it, and every check begun after that refuses."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.core.token import b64
from nhictl.errors import NotFoundError
from nhictl.ops import lineage, selectors, standing, tokens
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.ops.publish_trust import spread
from nhictl.ops.selectors import Selector
from nhictl.store import agents as agent_table
from nhictl.store import cuts, delegations, sqlite, work
from nhictl.store.agents import LATEST
from nhictl.store.cuts import Cut

__all__ = ["Revoked", "Selector", "revoke"]

SHOWN: Final = 1000


class Revoked(NamedTuple):
    """How many tokens ended, how many of them were live, up to a thousand of them, and what the record says besides."""

    total: int
    live: int
    jtis: list[bytes]
    ext: dict[str, Any]

    published: list[dict[str, Any]] | None = None
    """The folders whose status lists were brought up to date, with what went wrong; None where there are none."""

    @property
    def tokens(self) -> list[str]:
        """The jti of those up to a thousand, as they are written."""
        return [b64.encode(jti) for jti in self.jtis]

    def also(self, jtis: list[bytes]) -> Revoked:
        """With the tokens that ended along with them: made from one of them, or handed to the agent."""
        return self._replace(total=self.total + len(jtis), jtis=[*self.jtis, *jtis][:SHOWN])

    def bounds(self) -> dict[str, Any]:
        """The times of issue that were used, as `{"issued":{"from","to"}}`; null if the selector has none."""
        return {"issued": {"from": self.ext["from"], "to": self.ext["to"]} if "from" in self.ext else None}


def revoke(
    house: House, selector: Selector, reason: str | None, *, dry_run: bool = False
) -> tuple[Revoked, Head | None]:
    """Revoke what is selected; NotFoundError (4) if no token is, or they have all ended already.

    A jti or a token gets one record of its own. Everything else is a cut-off: one write and one record with the count,
    however many tokens it ends; those issued afterwards are not touched. It ends what stands (`ops/standing.py`),
    so also the tokens of a suspended or frozen agent. If those are more than a thousand, which they were is read once
    their end is durable: the authority goes first.
    """
    named = selector.kind() in ("jti", "token")
    if dry_run:
        with sqlite.guarded("read the tokens"):
            now_us = house.clock()
            if named:
                found, row = _named(house, selector, now_us)
                return found.also([each.jti for each in _below(house, row, now_us)]), None
            found, chosen = _cut(house, selector, now_us)
            found = _listed(house, found, _Unlisted(chosen.cut, now_us))
            return found.also([each.jti for each in _held(house, chosen.cut, now_us)]), None
    sealed = {"reason": reason} if reason else {}

    def decide(act: Act) -> tuple[Revoked, _Unlisted | None]:
        if named:
            found, row = _named(act.house, selector, act.now_us)
            below = _below(act.house, row, act.now_us)
            _one(act, row, found.live, sealed)
            return found.also(_cascade(act, below, sealed, {"cascade": b64.encode(row.jti)})), None
        found, chosen = _cut(act.house, selector, act.now_us)
        ext = chosen.ext | {"count": found.total, "live": found.live}
        task_row = chosen.cut.ref if chosen.cut.kind == "task" else None
        seq = act.record(
            "token.revoked", task_row=task_row, sealed=chosen.sealed | sealed or None, ext=ext, **chosen.fields
        )
        held = _held(act.house, chosen.cut, act.now_us)
        rest = _Unlisted(chosen.cut, act.now_us, seq) if found.total > SHOWN else None
        if rest is None:
            found = _listed(act.house, found, _Unlisted(chosen.cut, act.now_us))
        cuts.write(act.db, chosen.cut, seq)
        return found.also(_cascade(act, held, sealed, {"cascade": f"record {seq}"})), rest

    (found, rest), head = transact(house, decide, grants=False)
    found = found._replace(published=spread(house))
    return _listed(house, found, rest) if rest else found, head


class _Unlisted(NamedTuple):
    """A cut-off whose tokens are still to be listed, at its moment; `below` is its record once that stands."""

    cut: Cut
    now_us: int
    below: int = LATEST


def _listed(house: House, found: Revoked, rest: _Unlisted) -> Revoked:
    """With the first thousand of the tokens that the cut-off ends or has ended."""
    shown = cuts.some(house.db, rest.cut, rest.now_us, SHOWN, found.total, rest.below)
    return found._replace(jtis=[*shown, *found.jtis][:SHOWN])


def _one(act: Act, row: work.TokenRow, live: int, sealed: dict[str, Any], ext: dict[str, Any] | None = None) -> None:
    task = work.task_by_id(act.db, row.task)
    agent = agent_table.by_id(act.db, task.agent) if task else None
    seq = act.record(
        "token.revoked", task_row=row.task, sealed=sealed or None, agent=agent.name if agent else None,
        inst=row.instance, task=task.name if task else None, jti=b64.encode(row.jti),
        ext={"selector": "jti", "count": 1, "live": live} | (ext or {}),
    )  # fmt: skip
    work.revoke(act.db, row.id, seq)


def _below(house: House, row: work.TokenRow, now_us: int) -> list[work.TokenRow]:
    """The tokens that were made from one and that nothing has ended yet."""
    return [each for each in delegations.descendants(house.db, row.id, now_us) if not lineage.ended(house, each.id)]


def _held(house: House, cut: Cut, now_us: int) -> list[work.TokenRow]:
    """What an agent that is cut off holds of other agents' tasks: that ends too."""
    if cut.kind != "agent" or not cut.plain:
        return []
    return [each for each in delegations.held(house.db, cut.ref, now_us) if not lineage.ended(house, each.id)]


def _cascade(act: Act, rows: list[work.TokenRow], sealed: dict[str, Any], ext: dict[str, Any]) -> list[bytes]:
    """End each of these with a record of its own, and return their jti: nobody has to guess what went with what."""
    for row in rows:
        _one(act, row, 1, sealed, ext)
    return [row.jti for row in rows]


def _cut(house: House, selector: Selector, now_us: int) -> tuple[Revoked, selectors.Chosen]:
    chosen = selectors.choose(house, selector)
    count = standing.count(house, chosen.cut, now_us)
    if not count.standing and not _held(house, chosen.cut, now_us):
        before = cuts.newest(house.db, chosen.cut)
        already = "" if before is None else f": cut off already by record {before}"
        raise NotFoundError(f"{chosen.name} has no token to end{already}", code="nothing_matched")
    return Revoked(count.standing, count.live, [], chosen.ext), chosen


def _named(house: House, selector: Selector, now_us: int) -> tuple[Revoked, work.TokenRow]:
    """The one token that is named; also one that has ended by itself, so that nobody has to ask before revoking."""
    jti = selector.jti if selector.jti is not None else selectors.jti_of(selector.token or b"")
    try:
        row = work.token(house.db, b64.decode(jti))
    except ValueError:
        row = None
    if row is None:
        raise NotFoundError(f"no token `{jti[:64]}` was issued here", code="token_unknown", hint="nhictl token list")
    by = row.revoked if row.revoked is not None else cuts.first(house.db, row.id)
    if by is not None:
        raise NotFoundError(f"token `{jti[:64]}` is revoked already, by record {by}", code="nothing_matched")
    live = tokens.show_row(house, row, now_us)["state"] == "live"
    return Revoked(1, int(live), [row.jti], {"selector": "jti"}), row
