"""A policy that a home keeps loaded is the one in force, whatever was activated, undone or asked about in between."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nhictl.errors import ConflictError, UnsafeError
from nhictl.ops import policies
from nhictl.ops.act import Act, transact
from nhictl.ops.activate_policy import activate
from nhictl.ops.house import House


def policy(name: str) -> list[tuple[str, bytes]]:
    rules: list[dict[str, Any]] = [{"id": name, "effect": "permit", "match": {"tools": ["a.b"]}}]
    return [("p", json.dumps({"nhictl_policy": 1, "tools": {"a.b": {"args": {}}}, "rules": rules}).encode())]


def test_the_kept_policy_is_the_one_in_force(house: House) -> None:
    assert policies.active(house) is None
    activate(house, policy("ONE"))
    one, before = policies.active(house), policies.version(house) + 1
    assert one is not None
    assert policies.active(house) is one
    activate(house, policy("TWO"))
    two = policies.active(house)
    assert two is not None
    assert two.digest != one.digest
    then = policies.active(house, before)
    assert then is not None
    assert then.digest == one.digest
    now = policies.active(house)
    assert now is not None
    assert now.digest == two.digest


def test_what_was_undone_is_not_kept(house: House) -> None:
    activate(house, policy("ONE"))
    one = policies.active(house)
    assert one is not None

    def undone(act: Act) -> None:
        act.db.execute("DELETE FROM policy_version")
        assert policies.active(act.house) is None
        raise ConflictError("not today")

    with pytest.raises(ConflictError):
        transact(house, undone)
    assert policies.active(house) is one


def test_a_stored_policy_that_was_altered_is_noticed_by_whoever_loads_it(house: House) -> None:
    activate(house, policy("ONE"))
    house.db.execute("UPDATE policy SET compiled = CAST(replace(CAST(compiled AS TEXT), 'ONE', 'TWO') AS BLOB)")
    fresh = house.another()
    try:
        with pytest.raises(UnsafeError, match="not the one that was activated"):
            policies.active(fresh)
    finally:
        fresh.close()
