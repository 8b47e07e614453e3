"""What the tests of the store stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from nhictl.ops.house import House


@pytest.fixture
def home(house: House) -> Path:
    """An initialised home with nobody in it."""
    house.close()
    return house.home
