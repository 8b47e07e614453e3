"""Relying parties elsewhere: they know the two published files, other people's libraries, and how often to fetch.

Several of them, each with its own moment of fetching. A token is checked by all: its kid has to be in the set as it was
fetched last, and that key's signature has to fit. Nothing of the program is imported.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

from tests.ops.key_board import CHECKED, CLOCK, FETCHES, UNKNOWN, board

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import jwt

    try:
        spiffe: Any = importlib.import_module("spiffe")
    except ImportError:
        spiffe = None

PARTIES = 6


class Party:
    """One relying party: what it fetched, and when it will again."""

    def __init__(self, folder: Path, due: int) -> None:
        self.folder = folder
        self.due = due
        self.keys: dict[str, Any] = {}
        self.bundle: Any = None

    def refresh(self, now_us: int) -> bool:
        """Fetch if it is time, by the hint that came with the bundle."""
        if now_us < self.due and self.keys:
            return False
        whole = json.loads((self.folder / "jwks.json").read_bytes())
        self.keys = {key["kid"]: jwt.PyJWK.from_dict(key) for key in whole["keys"]}
        raw = (self.folder / "spiffe-bundle.json").read_bytes()
        hint = json.loads(raw)["spiffe_refresh_hint"] * 1_000_000
        if spiffe is not None:
            self.bundle = spiffe.JwtBundle.parse(spiffe.TrustDomain("example.org"), raw)
        if now_us >= self.due:
            self.due = now_us + hint
        return True

    def check(self, token: str) -> str | None:
        """What is wrong with a token, None if nothing is. Times are not looked at: the library has no clock to set."""
        kid = jwt.get_unverified_header(token)["kid"]
        if kid not in self.keys or (self.bundle is not None and self.bundle.get_jwt_authority(kid) is None):
            return "unknown"
        unchecked: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
        try:
            jwt.decode(token, self.keys[kid], algorithms=["ES256"], options=unchecked)
        except jwt.PyJWTError as e:
            return repr(e)
        return None


def main() -> None:
    """Check what comes through the pipe until all issuers have let go of it; then say which keys each party has."""
    order = json.load(sys.stdin)
    numbers, folder = board(Path(order["board"])), Path(order["folder"])
    begin = numbers[CLOCK]
    parties = [Party(folder, begin + number * 300_000_000 // PARTIES) for number in range(PARTIES)]
    wrong: list[str] = []
    with Path(order["pipe"]).open("rb") as pipe:
        for line in pipe:
            me, token = line.decode().split()
            for party in parties:
                numbers[FETCHES] += party.refresh(numbers[CLOCK])
                fault = party.check(token)
                numbers[UNKNOWN] += fault == "unknown"
                if fault not in (None, "unknown"):
                    wrong.append(str(fault))
            numbers[CHECKED + int(me)] += 1
    json.dump({"wrong": wrong, "keys": [sorted(party.keys) for party in parties]}, sys.stdout)


if __name__ == "__main__":
    main()
