"""What the `doc` of a row says: its JSON, parsed once for as long as the same text is asked about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any


@lru_cache(maxsize=32)
def read(text: str) -> Mapping[str, Any]:
    """The members of a `doc`, to be read and never changed: whoever asks next gets the same."""
    return MappingProxyType(json.loads(text))
