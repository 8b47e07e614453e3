"""Boxes in one place: the value, its one-line and mapping forms, scope files, and whether a scope covers a call."""

from __future__ import annotations

from nhictl.core.policy.box_file import box_from_mapping, parse_scope_file
from nhictl.core.policy.box_text import parse_box
from nhictl.core.policy.box_value import Box
from nhictl.core.policy.scope import ScopeVerdict, scope_verdict

__all__ = ["Box", "ScopeVerdict", "box_from_mapping", "parse_box", "parse_scope_file", "scope_verdict"]
