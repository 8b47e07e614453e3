"""After a revocation has returned no process accepts the token any more, whichever way it was revoked."""

from __future__ import annotations

from pathlib import Path

from tests.cli.revoke_window import WAYS, windows


def test_eight_verifiers_never_accept_what_was_revoked(tmp_path: Path) -> None:
    """126 rounds here; `python -m tests.bench` makes a thousand."""
    rounds = 9 * len(WAYS)
    assert rounds >= 100
    assert windows(tmp_path, rounds) == {(name, reason): 9 for name, reason, _ in WAYS}
