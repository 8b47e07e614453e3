"""What a check finds, and the list of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, NamedTuple

from nhictl.errors import NhictlError
from nhictl.ops.house import House

Status = Literal["ok", "warn", "bad", "unknown"]


class Check(NamedTuple):
    """One finding: `ok`, `warn` (works, but), `bad` (unsafe or out of order), `unknown` (cannot be told from here)."""

    id: str
    status: Status
    message: str
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As a member of `checks` in `nhictl.doctor/v1`."""
        return self._asdict()


class Patient:
    """The home under examination; its database is opened without being migrated, and only once."""

    def __init__(self, house: House) -> None:
        self.given = house
        self.house = House(house.home, house.database, clock=house.clock)
        self.refused: NhictlError | None = None

    def open(self) -> sqlite3.Connection:
        """The database, whatever is wrong with the files around it; raises what it is refused for."""
        from nhictl.store import sqlite

        if self.refused is not None:
            raise self.refused
        if not self.house.is_open():
            try:
                self.house.adopt(sqlite.open_existing(self.house.database))
            except NhictlError as e:
                self.refused = e
                raise
        return self.house.db


Finding = Callable[[Patient], Iterable[Check]]


def examine(house: House) -> list[Check]:
    """Every check, in order: what later ones rest on comes first."""
    from nhictl.ops.doctor import authority, database, files, host

    checks: Final[tuple[tuple[str, Finding], ...]] = (
        ("home", files.home),
        ("files", files.known_files),
        ("foreign", files.foreign),
        ("filesystem", files.filesystem),
        ("disk", files.disk),
        ("database", database.database),
        ("log", database.newest),
        ("high-water", database.mark),
        ("erasure", database.erasures),
        ("state", authority.state),
        ("custody", authority.custody),
        ("clock", host.clock),
        ("time-service", host.time_service),
        ("versions", host.versions),
        ("sqlite", host.sqlite_version),
        ("agents", authority.agents),
        ("separation", authority.separation),
    )
    patient = Patient(house)
    try:
        return [found for name, look in checks for found in _done(name, look, patient)]
    finally:
        patient.house.close()


def _done(name: str, look: Finding, patient: Patient) -> list[Check]:
    try:
        return list(look(patient))
    except NhictlError as e:
        if e is patient.refused and name != "database":
            return [Check(name, "unknown", "the database cannot be opened")]
        return [Check(name, "bad", e.message, e.hint)]
    except (OSError, sqlite3.Error) as e:
        return [Check(name, "bad", f"cannot look: {str(e).lower()}")]
    except Exception as e:  # noqa: BLE001  # a doctor that falls ill itself is of no use: say so and go on
        return [Check(name, "unknown", f"the check itself failed: {type(e).__name__}", "report it")]
