"""`key prepare|activate|taint|revoke`: each is one act, and what others read is brought up to date before it answers.

The states are those of `core/token/key_state.py`. Keys are made, and their private parts opened, before the lock is taken.
What takes a key away comes first and is published after; a new signer is published first, because whoever checks its
tokens has to have it before there are any.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.core import times
from nhictl.core.token import b64, key_state
from nhictl.core.token.publish import REFRESH_HINT_S, SETTLE_S
from nhictl.errors import ConflictError, InputError
from nhictl.ops import keys, standing, x509_authority
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.ops.make_key import MAKERS
from nhictl.ops.publish_trust import Republished, republish
from nhictl.store import agents as table
from nhictl.store import cuts, key_states, sqlite, svids
from nhictl.store.cuts import Cut

SHOWN: Final = 1000
"""How many of the tokens that depend on a key are named; all are counted."""


class Changed(NamedTuple):
    """A key after a change, and what the folders that were published in hold now.

    `tokens` names the first live tokens that depended on it, `dependent` is how many there were; `replaced` is the kid
    of the one that signed before; `early_until_us` is set where it signs before everybody can know it.
    """

    key: dict[str, Any]
    published: list[Republished]
    head: Head
    tokens: tuple[str, ...] = ()
    dependent: int = 0
    replaced: str | None = None
    early_until_us: int | None = None


def prepare(house: House, use: str = "token") -> Changed:
    """Make a key and publish it; it signs nothing yet. InputError (2) for a use of which no keys are made.

    ConflictError (5) if one is prepared already: then that is the next one.
    """
    if use == "log":
        raise InputError(
            "the log's next key is not prepared: the one before it names it", code="log_key_fixed",
            hint="nhictl key rotate --log",
        )  # fmt: skip
    if use not in MAKERS:
        raise InputError(f"no signing keys of use `{use}`", code="usage", hint=f"one of {', '.join(sorted(MAKERS))}")
    _refuse_waiting(house, use)
    made = MAKERS[use].make(house)

    def decide(act: Act) -> dict[str, Any]:
        _refuse_waiting(act.house, use)
        seq = act.record("key.prepared", ext=made.shown)
        table.add_key(act.db, use, made.kid, made.public, made.sealed, key_state.PREPARED, seq)
        return _shown(act.house, made.kid)

    done, head = transact(house, decide)
    published, after = republish(house)
    if published:  # only now is it known from when it may sign
        with sqlite.guarded("read the signing keys"):
            done = _shown(house, made.kid)
    return Changed(done, published, after or head)


def _refuse_waiting(house: House, use: str) -> None:
    with sqlite.guarded("read the signing keys"):
        waiting = [row.kid for row in table.keys(house.db, use) if row.state == key_state.PREPARED]
    if waiting:
        raise ConflictError(
            f"key `{waiting[0]}` is prepared already", code="key_prepared",
            hint=f"nhictl key activate {waiting[0]}, or taint and revoke it",
        )  # fmt: skip


def activate(house: House, kid: str, *, now: bool = False) -> Changed:
    """Let a prepared key sign; the one that did becomes old. ConflictError (5) for another state.

    Also refused (`key_unsettled`) until everybody who refreshes by the bundle's hint can have it, counted from when the
    last folder came to show it, unless `now`.
    """
    row = _allowed(house, kid, "activate")
    house.opened(row, MAKERS[row.use].load)  # a key that does not open must not become the one that signs
    published, _ = republish(house)

    def decide(act: Act) -> Changed:
        row = _allowed(act.house, kid, "activate")
        until = keys.settled_us(act.house, row)
        early = until is None or until > act.now_us
        if early and not now:
            raise _too_early(row, until, act.now_us, published)
        before = [old for old in table.keys(act.db, row.use) if old.state == key_state.ACTIVE]
        replaced = before[-1].kid if before else None
        ext = {"kid": kid, "use": row.use, "replaced": replaced, "early": early or None}
        seq = act.record("key.activated", ext={name: value for name, value in ext.items() if value is not None})
        for old in before:
            key_states.set_state(act.db, old.id, seq, key_state.OLD)
        key_states.set_state(act.db, row.id, seq, key_state.ACTIVE)
        end_us = (act.now_us + SETTLE_S * 1_000_000 if until is None else until) if early else None
        return Changed(_shown(act.house, kid), published, act.head(), replaced=replaced, early_until_us=end_us)

    done, head = transact(house, decide)
    return done._replace(head=head)


def taint(house: House, kid: str, reason: str | None = None, *, now: bool = False) -> Changed:
    """Say that a key is not to be relied on: it never signs again, and the live tokens that depend on it are named.

    They still verify. ConflictError (5) for the key that signs, unless `now`: then nothing signs until another is active.
    Works with a clock that went back.
    """
    done, head = transact(house, lambda act: _taint(act, kid, reason, now), grants=False)
    published, after = republish(house)
    return done._replace(published=published, head=after or head)


def _taint(act: Act, kid: str, reason: str | None, now: bool) -> Changed:
    row = _allowed(act.house, kid, "taint")
    if row.state == key_state.ACTIVE and not now:
        raise wrong_state(
            "key", kid, row.state,
            f"activate another first; if it was stolen: nhictl key taint {kid} --now, and nothing signs until another does",
        )  # fmt: skip
    return _end(act, row, "key.tainted", key_state.TAINTED, reason, {"was": row.state})


def revoke(house: House, kid: str, reason: str | None = None) -> Changed:
    """End a tainted key and with it every token it signed; ConflictError (5) for one that is not tainted.

    Local checks refuse from the commit on. Folders come after: one that cannot be written does not undo the revocation.
    Works with a clock that went back.
    """

    def decide(act: Act) -> Changed:
        row = _allowed(act.house, kid, "revoke")
        return _end(act, row, "key.revoked", key_state.REVOKED, reason, {})

    done, head = transact(house, decide, grants=False)
    published, after = republish(house)
    return done._replace(published=published, head=after or head)


def _end(act: Act, row: table.KeyRow, kind: str, state: str, reason: str | None, more: dict[str, Any]) -> Changed:
    """Take a key's standing away, with the count of the live tokens, or certificates, that depend on it."""
    signed = Cut("kid", row.id)
    count = standing.count(act.house, signed, act.now_us).standing
    jtis = cuts.some(act.db, signed, act.now_us, SHOWN, count)
    if row.use == x509_authority.USE:
        count = svids.live_under(act.db, row.id, act.now_us // 1_000_000).number
    sealed = {"reason": reason} if reason else None
    seq = act.record(kind, sealed=sealed, ext={"kid": row.kid, "use": row.use, "count": count, **more})
    key_states.set_state(act.db, row.id, seq, state)
    if state == key_state.REVOKED and row.use == "token":
        cuts.write(act.db, signed, seq)  # so that what it signed is ended wherever tokens are counted or listed
    shown = keys.to_json(act.house, row._replace(state=state), act.now_us, live=count)
    return Changed(shown, [], act.head(), tuple(b64.encode(jti) for jti in jtis), count)


def _allowed(house: House, kid: str, verb: str) -> table.KeyRow:
    """The key, if its state allows the verb."""
    with sqlite.guarded("read the signing keys"):
        row = keys.find(house, kid)
    if row.use not in MAKERS:
        raise ConflictError(
            f"key `{kid}` is a key of the log, which has no such states", code="log_key_fixed",
            hint="nhictl key rotate --log",
        )  # fmt: skip
    if row.state not in key_state.BECOMES[verb]:
        raise wrong_state("key", kid, row.state, key_state.hint(verb, row.state, kid))
    return row


def _too_early(row: table.KeyRow, until_us: int | None, now_us: int, published: list[Republished]) -> ConflictError:
    left = SETTLE_S if until_us is None else -(-(until_us - now_us) // 1_000_000)
    why = f"verifiers that refresh every {REFRESH_HINT_S} s may not have it for another {left} s"
    if until_us is None:
        failed = [f"`{each.out}`: {each.error}" for each in published if each.error is not None]
        why = f"it is not yet published in {failed[0] if failed else 'every folder'}"
    return ConflictError(
        f"key `{row.kid}` cannot sign yet: {why}", code="key_unsettled", details={"wait_s": left},
        hint=f"wait {times.duration(left)}, or --now, and until then some refuse its tokens as of an unknown key",
    )  # fmt: skip


def _shown(house: House, kid: str) -> dict[str, Any]:
    return keys.to_json(house, keys.find(house, kid), house.clock())
