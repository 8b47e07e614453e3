"""What `audit replay --html`, `--mermaid` and `--dot` draw, and the file that the page goes to."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nhictl.core.replay.page import Findings, Leaf, Page, leaves, page
from nhictl.core.replay.views.delegation_tree import delegation_leaves
from nhictl.errors import ConflictError, UnavailableError
from nhictl.ops.authority_views import delegation_view, scope_view
from nhictl.ops.detect import detect
from nhictl.ops.evidence import Evidence, Policies
from nhictl.ops.house import House
from nhictl.ops.replay import Filter, Story
from nhictl.store import files

__all__ = ["About", "delegation", "leaves", "of", "write"]

_BEGINNING = b"<!DOCTYPE html>"
_WORDS = ("agent", "task", "token", "run", "instance", "principal", "tool", "resource")


class About(NamedTuple):
    """What the story was narrowed to, its files, and `since` and `until` as they were typed."""

    wanted: Filter
    files: Sequence[str]
    since: str | None = None
    until: str | None = None

    def words(self) -> list[tuple[str, str]]:
        """The same for reading."""
        named = [(name, getattr(self.wanted, name)) for name in _WORDS]
        named += [("since", self.since), ("until", self.until)]
        said = [(name, value) for name, value in named if value is not None]
        if self.files:
            more = f" and {len(self.files) - 5} more" if len(self.files) > 5 else ""
            said.append(("files", ", ".join(self.files[:5]) + more))
        return said


def of(story: Story, house: House, again: Callable[[], Evidence] | None, about: About) -> Page:
    """The values of a page about the story; `again` reads its evidence once more, None if that cannot be done.

    Detections and scopes are worked out over all of the evidence, since what a filter leaves out would look unused or
    never issued; then what has nothing to do with the story is left out.
    """
    counts = dict(zip(("parsed", "opaque", "failed"), story.counts, strict=True))
    scope: list[Mapping[str, Any]] | None = None
    findings: Findings | None = None
    if again is not None:
        policies = Policies(house)
        body = detect(again(), policies).body
        findings = _findings(body, story, narrowed=any(value is not None for value in about.wanted))
        tasks = {event.task for event in story.events}
        scope = [one for one in scope_view(again(), policies, Filter(task=about.wanted.task)) if one["task"] in tasks]
    return page(
        story.events, asked=about.words(), integrity=story.integrity, source=counts, unproven=story.unproven, scope=scope,
        findings=findings,
    )  # fmt: skip


def _findings(body: Mapping[str, Any], story: Story, *, narrowed: bool) -> Findings:
    seqs = {event.seq for event in story.events} - {None}
    items = body["items"]
    kept = [one for one in items if any(ref.get("seq") in seqs for ref in one["records"])] if narrowed else items
    undecided = [
        (one["id"], [gap["what"] for gap in one["missing"]]) for one in body["rules"] if one["state"] == "unknown"
    ]
    return Findings(kept, len(items) - len(kept), undecided, len(body["rules"]))


def delegation(evidence: Evidence, wanted: Filter) -> Iterator[Leaf]:
    """The delegation chains as a tree."""
    return delegation_leaves(delegation_view(evidence, wanted))


def write(path: str, text: str) -> None:
    """Write the page whole or not at all, for its owner alone (0600): it holds what the log's content keys open.

    Only a page may be replaced: a log, or a link, that was named by mistake stays as it is (ConflictError).
    """
    target = Path(path)
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        mode = None
    except OSError as e:
        raise UnavailableError(f"cannot look at `{path}`: {(e.strerror or str(e)).lower()}") from e
    if mode is not None:
        if not stat.S_ISREG(mode):
            raise ConflictError(f"`{path}` is no regular file", hint="name a new file, or `-` for standard output")
        with target.open("rb") as file:
            if file.read(len(_BEGINNING)) != _BEGINNING:
                raise ConflictError(f"`{path}` exists and is no such page: not overwritten", hint="name a new file")
    files.replace(target, text.encode(), 0o600)
