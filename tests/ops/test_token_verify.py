"""Verification by the table: every vector is refused at its step for its reason, plainly and live."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from token_home import AUDIENCE, Authority, records
from token_vectors import ENVELOPE, Vector
from token_vectors_claims import CLAIMS
from token_vectors_state import STATE, UNDECIDED

from nhictl.ops.verify_token import verify

VECTORS = [*ENVELOPE, *CLAIMS, *STATE, UNDECIDED]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    made = Authority(tmp_path_factory.mktemp("authority") / "home")
    yield made
    made.house.close()


def test_names_are_unique() -> None:
    names = [vector.name for vector in VECTORS]
    assert len(set(names)) == len(names), sorted(n for n in names if names.count(n) > 1)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])
def test_one_thing_wrong(authority: Authority, vector: Vector) -> None:
    with authority.case() as case:
        good = case.verify()
        assert (good.step, good.reason, good.exit) == (20, "valid", 0), "positive control"
        vector.mutate(case)
        asked = case.question()
        verdict = verify(case.house, asked)
        assert (verdict.step, verdict.reason) == (vector.step, vector.reason)
        assert not verdict.valid
        assert verdict.exit == (3 if vector.reason == "use_required" else 1)
        shown = verdict.to_json()
        assert (shown["valid"], shown["reason"], shown["step"]) == (False, vector.reason, vector.step)
        assert "claims" not in shown
        assert shown["status"] == {"source": "store" if vector.step >= 14 else "none", "age_s": 0}
