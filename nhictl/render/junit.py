"""JUnit XML of test results, as CI systems read it: one suite a file, one case a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET


class JunitCase(NamedTuple):
    """One test: the suite it belongs to, its name, and why it failed (None: it passed)."""

    suite: str
    name: str
    failure: str | None


def junit(title: str, cases: Sequence[JunitCase]) -> str:
    """The document. Characters that XML 1.0 cannot hold are written as `\\u` escapes."""
    root = ET.Element("testsuites", name=_text(title), tests=str(len(cases)), failures=str(_failures(cases)))
    for name in dict.fromkeys(case.suite for case in cases):
        held = [case for case in cases if case.suite == name]
        suite = ET.SubElement(root, "testsuite", name=_text(name), tests=str(len(held)), failures=str(_failures(held)))
        for case in held:
            node = ET.SubElement(suite, "testcase", classname=_text(name), name=_text(case.name))
            if case.failure is not None:
                first = case.failure.partition("\n")[0]
                ET.SubElement(node, "failure", message=_text(first)).text = _text(case.failure)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _failures(cases: Sequence[JunitCase]) -> int:
    return sum(case.failure is not None for case in cases)


def _text(value: str) -> str:
    return "".join(char if _allowed(ord(char)) else f"\\u{ord(char):04x}" for char in value)


def _allowed(code: int) -> bool:
    """Whether XML 1.0 §2.2 allows the character; C1 controls and bidirectional marks stay out as well."""
    if code in (0x09, 0x0A):
        return True
    hidden = (
        0x7F <= code <= 0x9F
        or code in (0x061C, 0x200E, 0x200F, 0xFEFF)
        or 0x202A <= code <= 0x202E
        or 0x2066 <= code <= 0x2069
    )
    return not hidden and (0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF)
