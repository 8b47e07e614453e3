"""`nhictl key list`."""

from __future__ import annotations

from nhictl.cli.options import At
from nhictl.cli.session import session
from nhictl.ops import keys
from nhictl.render import Result, Table

COLUMNS = ("kid", "use", "alg", "state", "since", "signs", "live_tokens", "live_svids", "ready")


def command(at: At = None) -> Result:
    """List the authority's own signing keys, their states, and how many live tokens depend on each.

    States: prepared (published, signs nothing yet), active (signs), old (signed, still verifies), tainted (not to be
    relied on, still verifies), revoked (verifies nothing). A prepared key can be activated from `ready` on.

    Example: nhictl key list --at 2026-06-01T12:00:00Z
    """
    now = session()
    found = keys.everything(now.house(), now.at(at))
    rows = [[key[c] for c in COLUMNS] for key in found]
    return Result("nhictl.keys/v1", {}, items=found, items_key="items", table=Table(COLUMNS, rows))
