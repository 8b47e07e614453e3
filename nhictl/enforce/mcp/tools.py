"""The tools of a session's server: which a client is shown, and which have to be listed before they are judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nhictl.enforce.mcp.authority import Authority
from nhictl.enforce.mcp.listing import UNLISTED, Inquiry, Listing, digests
from nhictl.errors import NhictlError

Lister = Callable[[dict[str, Any]], dict[str, Any]]
"""Asks the server for a page of its tools at once: parameters in, the answer out."""


class Tools:
    """What is known of them, held against what was declared."""

    def __init__(self, authority: Authority, listing: Listing, note: Callable[[str], None]) -> None:
        self._authority = authority
        self._note = note
        self.listing = listing

    def unlisted(self, tool: str) -> bool:
        """Whether a call has to wait until the server has said what the tool is now."""
        try:
            return self.listing.digest(tool) == UNLISTED and self._authority.pinned(tool)
        except NhictlError:
            return False  # what cannot be read now cannot be judged either, and that says why

    def ask(self, lister: Lister) -> None:
        """Have the list now; without one, calls of tools that need it are denied."""
        inquiry = Inquiry(self.listing)
        try:
            while inquiry.ask is not None:
                inquiry.answered(lister(inquiry.ask))
        except NhictlError as e:
            self._note(f"the server did not list its tools: {e}")

    def shown(self, raw: dict[str, Any], generation: int) -> dict[str, Any]:
        """An answer to `tools/list` without those that the task can never use, nor those described otherwise than was declared;
        the same object if there are none.
        """
        result = raw.get("result")
        tools = result.get("tools") if isinstance(result, dict) else None
        if not isinstance(result, dict) or not isinstance(tools, list):
            return raw
        found = digests(tools)
        self.listing.learn(found, generation)
        try:
            usable = self._authority.usable(found)
        except NhictlError as e:
            self._note(f"no tool is listed: {e}")
            usable = frozenset()
        kept = [tool for tool in tools if isinstance(tool, dict) and tool.get("name") in usable]
        if len(kept) == len(tools):
            return raw
        return {**raw, "result": {**result, "tools": kept}}
