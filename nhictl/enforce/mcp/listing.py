"""What a server says its tools are: the digest of each description, and from when on what was said no longer counts.

A server may change its list whenever it likes, and says so (`notifications/tools/list_changed`). From then on nothing is
known of any tool until a list comes that was asked for after it. Of a server that changes without a word nobody can know;
what a model reads of its tools goes through the guard all the same, and that is what calls are held against.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.core.policy.tool_digest import tool_digest

UNLISTED: Final = ""
AMBIGUOUS: Final = "ambiguous"
"""The digest of a tool that is listed twice in two ways, or in a way that has none: it equals no digest."""
MAX_PAGES: Final = 100
MAX_TOOLS: Final = 5000


class Listing:
    """The descriptions of one server. `generation` counts how often it said that they changed."""

    def __init__(self) -> None:
        self.generation = 0
        self._digests: dict[str, str] = {}

    def changed(self) -> None:
        """The server has another list now."""
        self.generation += 1
        self._digests.clear()

    def digest(self, tool: str) -> str:
        """The digest of a tool's description as it was last listed, UNLISTED if it was not since the last change."""
        return self._digests.get(tool, UNLISTED)

    def learn(self, found: dict[str, str], generation: int) -> None:
        """Take what a list said that was asked for at that generation; an older one says nothing any more."""
        if generation == self.generation and len(self._digests.keys() | found) <= MAX_TOOLS:
            self._digests.update(found)


def digests(tools: list[Any]) -> dict[str, str]:
    """The digest of each tool in a list, by its name."""
    found: dict[str, str] = {}
    for tool in tools:
        if isinstance(tool, dict) and isinstance(name := tool.get("name"), str):
            try:
                digest = tool_digest(name, tool.get("description"), tool.get("inputSchema"))
            except (ValueError, RecursionError):
                digest = AMBIGUOUS
            found[name] = digest if found.get(name, digest) == digest else AMBIGUOUS
    return found


class Page(NamedTuple):
    """One answer to `tools/list`: what it tells, and where the next page is, None after the last one."""

    found: dict[str, str]
    cursor: str | None


def page(raw: dict[str, Any]) -> Page | None:
    """Read an answer; None for an error or what is no list."""
    result = raw.get("result")
    tools = result.get("tools") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(tools, list):
        return None
    cursor = result.get("nextCursor")
    return Page(digests(tools), cursor) if isinstance(cursor, str | None) else None


class Inquiry:
    """A list that the guard asks for itself, page by page, before it judges: `ask` is the next request's parameters."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._pages = 0
        self._generation = listing.generation
        self._found: dict[str, str] = {}
        self.ask: dict[str, Any] | None = {}

    def answered(self, raw: dict[str, Any]) -> None:
        """Take an answer. `ask` is None when there is nothing more to ask: the listing has it all, or it failed."""
        self._pages += 1
        got = page(raw)
        if self._generation != self._listing.generation:  # it changed meanwhile: from the beginning
            self._generation, self._found, self.ask = self._listing.generation, {}, {}
        elif got is None:
            self.ask = None
        else:
            for name, digest in got.found.items():
                self._found[name] = digest if self._found.get(name, digest) == digest else AMBIGUOUS
            self.ask = None if got.cursor is None else {"cursor": got.cursor}
            if self.ask is None:
                self._listing.learn(self._found, self._generation)
        if self._pages >= MAX_PAGES:
            self.ask = None
