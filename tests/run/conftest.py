"""One home for the tests of a file: what a run leaves behind is asked by task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.run_home import Runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    found = Runs(tmp_path_factory.mktemp("runs"))
    yield found
    found.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Runs]:
    """A home that nobody else uses."""
    found = Runs(tmp_path)
    yield found
    found.close()
