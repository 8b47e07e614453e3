"""`key rotate --log`: another key signs the log from here on, named by the one before, which is then destroyed.

One act: the record that names the new key, the checkpoint over it, signed by the new key, and zeros over the old one.
"""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple

from nhictl.core.ledger import checkpoint
from nhictl.core.ledger.log_keys import members
from nhictl.core.token import key_state
from nhictl.ops import keys
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.ops.turn import kid_of, log_key, new_log_key
from nhictl.store import agents, custodies, key_states


class Rotated(NamedTuple):
    """The new key, what others pin it by, the kid before, and where the old private key may still be.

    `erased` is False while an open reader keeps the old box in the write-ahead log; `copies` are databases in the home,
    made before, that hold it sealed.
    """

    key: dict[str, Any]
    verifier_key: str
    replaced: str
    erased: bool
    copies: list[str]
    head: Head


def rotate(house: House) -> Rotated:
    """Make a new log key and let it sign from now on.

    UnsafeError (6) where the log key does not open; nothing was changed then.
    """
    new = new_log_key(house)
    kid = kid_of(new.public)
    public = base64.b64encode(new.public).decode()
    box = house.sealer.seal(new.private.private_bytes_raw(), f"signing key:{kid}", house.random(12))

    def decide(act: Act) -> tuple[dict[str, Any], str]:
        old = log_key(act.house)
        row = keys.find(act.house, kid_of(old.public))
        message = checkpoint.hand_over(act.chain, act.seq, act.prev, old.public, new.public)
        signature = checkpoint.sign_raw(message, old.private)
        seq = act.record("log.key_rotated", ext=members(old.public, new.public, signature))
        key_states.set_state(act.db, row.id, seq, key_state.OLD)
        key_states.destroy(act.db, row.id)
        agents.add_key(act.db, "log", kid, json.dumps({"ed25519": public}), box, key_state.ACTIVE, seq)
        act.next_key = new
        return keys.to_json(act.house, keys.find(act.house, kid), act.now_us), row.kid

    (shown, replaced), head = transact(house, decide)
    house.forget_keys()
    erased = custodies.empty_wal(house.db)
    copies = sorted(path.name for path in house.database.parent.glob("before-*.db"))
    return Rotated(shown, checkpoint.verifier_key(head.chain, new.public), replaced, erased, copies, head)
