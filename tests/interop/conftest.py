"""The one set of issued files that the tests here share."""

from __future__ import annotations

from tests.interop.issued import issued

__all__ = ["issued"]
