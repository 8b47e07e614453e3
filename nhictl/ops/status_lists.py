"""Published status lists (reference `tokens.md` §2): what verifiers elsewhere learn of revocation, signed anew when it changes.

Once an authority with an https issuer has published, every access token names an entry of a list, drawn at random. The
lists are made from the state as it is, signed with the key that signs tokens, and stand beside the keys. They are no part
of the log: it says what they have to say, and each carries its own time.
"""

from __future__ import annotations

from typing import Any

from nhictl.core import strict_json
from nhictl.core.token import jws, status_list
from nhictl.core.token.claims import still_good
from nhictl.core.token.verdict import RejectedError
from nhictl.ops import agents, frozen, tokens
from nhictl.ops.house import House
from nhictl.ops.status_entries import AGGREGATION, SIZE, path_of
from nhictl.store import agents as agent_table
from nhictl.store import belongings, public_files, sqlite, status, work


def files(house: House, folder: public_files.PublicFolder) -> dict[str, bytes]:
    """The files of all lists that matter, by path. One that says the same already and is young stays as it is."""
    db, now_us = house.db, house.clock()
    with sqlite.guarded("read the tokens"):
        if status.newest(db) is None:
            return {}
        numbers = status.current(db, still_good(now_us))
        made = {number: _list(house, number, now_us) for number in numbers}
        signer = agent_table.active_key(db, "token")
    issuer = house.issuer()
    wanted: dict[str, bytes] = {}
    for number, found in made.items():
        uri = f"{issuer.iss}/{path_of(number)}"
        standing = folder.read(path_of(number)) or b""
        if _says(standing, uri, found, issuer, now_us):
            wanted[path_of(number)] = standing
        elif signer is not None:
            private = house.opened(signer, jws.private_from_bytes)
            claims = status_list.claims_of(uri, found, now_us // 1_000_000)
            wanted[path_of(number)] = status_list.sign(signer.kid, private, claims).encode()
    lists = [f"{issuer.iss}/{path}" for path in wanted]
    wanted[AGGREGATION] = strict_json.dumps({"status_lists": lists}).encode() + b"\n"
    return wanted


def _says(standing: bytes, uri: str, found: status_list.StatusList, issuer: Any, now_us: int) -> bool:
    """Whether a published list is ours, says that very thing, and is not older than its `ttl`."""
    try:
        told = status_list.parse(standing, issuer)
    except RejectedError:
        return False
    return told.uri == uri and told.list == found and 0 <= now_us // 1_000_000 - told.issued < status_list.TTL_S // 2


def _list(house: House, number: int, now_us: int) -> status_list.StatusList:
    stands: dict[int, int] = {}
    stopped = belongings.suspended(house.db)
    told: list[tuple[int, int]] = []
    for entry in status.entries(house.db, number, now_us, still_good(now_us)):
        if entry.agent not in stands:
            stands[entry.agent] = _agent(house, entry.agent, now_us)
        value = stands[entry.agent]
        if value == status_list.VALID and entry.instance in stopped.get(entry.agent, ()):
            value = status_list.SUSPENDED
        if entry.ended:
            value = status_list.INVALID
        elif entry.delegated:
            value = max(value, _delegated(house, entry.token, now_us))
        if value != status_list.VALID:
            told.append((entry.idx, value))
    return status_list.pack(SIZE, status_list.OWN_BITS, told)


def _agent(house: House, ident: int, now_us: int) -> int:
    """What an agent's standing makes of its tokens: what can be lifted is a suspension, all else an end."""
    row = agent_table.by_id(house.db, ident)
    word = agents.state_at(row, now_us) if row is not None else "unknown"
    if row is not None and (word == "suspended" or (word == "active" and frozen.by(house, row) is not None)):
        return status_list.SUSPENDED
    return status_list.VALID if word == "active" else status_list.INVALID


def _delegated(house: House, token: int, now_us: int) -> int:
    row = work.token_by_id(house.db, token)
    state = tokens.show_row(house, row, now_us)["state"] if row is not None else "unknown"
    return {"live": status_list.VALID, "revoked": status_list.INVALID}.get(state, status_list.SUSPENDED)
