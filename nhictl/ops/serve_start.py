"""What has to be in order before anything is served: keys open, so that nobody is asked for a passphrase later."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from nhictl.core.token import jws
from nhictl.ops import high_water
from nhictl.ops.callers import Callers
from nhictl.ops.house import House
from nhictl.ops.turn import log_key
from nhictl.store import agents, files, sqlite


def opened(house: House) -> House:
    """The home with its keys opened. Raises what stops every decision, and InputError (2) for a callers file that is none."""
    high_water.refuse_put_back(house)
    Callers(house).listed()
    log_key(house)
    with sqlite.guarded("read the signing keys"):
        signer = agents.active_key(house.db, "token")
    if signer is not None:
        house.opened(signer, jws.private_from_bytes)
    return house


def check_place(path: Path) -> None:
    """UnsafeError (6) for a folder where others could put a socket of theirs in the place of ours, and answer for us."""
    files.check_parent(path.absolute().parent)


def loopback(host: str) -> bool:
    """Whether an address is the machine's own. A name is looked up by nobody here, and is none."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
