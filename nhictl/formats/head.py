"""The first records of a file of which only the beginning is at hand, for telling formats apart."""

from __future__ import annotations

import json
from typing import Any

from nhictl.formats.json_head import CutError, members


def records(head: bytes, most: int) -> list[dict[str, Any]]:
    """Up to `most` objects: those of its lines, or the one text that it begins, or the first of the list it begins.

    Of an object that goes on after the bytes at hand, the members that are there.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"[":
        return _beginning(text[1:].lstrip())
    found = []
    for line in text.split(b"\n", most)[:most]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):  # a batch
            found.append(value[0])
    return found or _beginning(text)


def _beginning(text: bytes) -> list[dict[str, Any]]:
    try:
        return [members(text)]
    except CutError:
        return []
