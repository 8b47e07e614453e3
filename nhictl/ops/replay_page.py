"""What `audit replay --html`, `--mermaid` and `--dot` draw, and the file that the page goes to."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nhictl.core.replay.page import Page, leaves, page
from nhictl.errors import ConflictError, UnavailableError
from nhictl.ops.replay import Filter, Story
from nhictl.store import files

__all__ = ["leaves", "of", "write"]

_BEGINNING = b"<!DOCTYPE html>"
_WORDS = ("agent", "task", "token", "run", "instance", "principal", "tool", "resource")


def of(
    story: Story, wanted: Filter, paths: Sequence[str],
    scope: Sequence[Mapping[str, Any]] | None = None, detections: Sequence[Mapping[str, Any]] | None = None,
    span: Mapping[str, str | None] | None = None,
) -> Page:  # fmt: skip
    """The values of a page about the story; `span` is `since` and `until` as they were typed."""
    asked = [(name, getattr(wanted, name)) for name in _WORDS if getattr(wanted, name) is not None]
    asked += [(name, value) for name, value in (span or {}).items() if value is not None]
    if paths:
        asked.append(("files", ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")))
    counts = dict(zip(("parsed", "opaque", "failed"), story.counts, strict=True))
    return page(
        story.events, asked=asked, integrity=story.integrity, source=counts, unproven=story.unproven, scope=scope,
        detections=detections,
    )  # fmt: skip


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
