"""What the tests of operations stand on: an authority made once a module, a copy of it for each test, and a chain of agents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nhictl.ops.house import House
from tests.ops.delegation_home import Chain
from tests.ops.token_home import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """An authority with agents and tasks; shared by the tests of a module."""
    made = Authority(tmp_path_factory.mktemp("authority") / "home")
    yield made
    made.house.close()


@pytest.fixture
def home(authority: Authority) -> Iterator[House]:
    """A copy of the authority's home for one test."""
    with authority.copy() as house:
        yield house


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A chain of agents; shared by the tests of a module."""
    made = Chain(tmp_path_factory.mktemp("chain"))
    yield made
    made.house.close()


@pytest.fixture
def chain(built: Chain) -> Iterator[Chain]:
    """A copy of the chain for one test."""
    made = built.copy()
    yield made
    made.house.close()
