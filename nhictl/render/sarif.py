"""SARIF 2.1.0 of findings, as code review and CI systems read it (OASIS standard, sections 3.13, 3.14, 3.27, 3.28)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


class SarifRule(NamedTuple):
    """A kind of finding, with the level that its findings have by default: error, warning or note."""

    id: str
    summary: str
    level: str


class SarifResult(NamedTuple):
    """One finding; line and column count from 1, and None is no place. `properties` is whatever is to be kept beside."""

    rule: str
    level: str
    message: str
    file: str | None
    line: int | None
    column: int | None
    properties: dict[str, Any]


def sarif(version: str, rules: Sequence[SarifRule], results: Sequence[SarifResult]) -> str:
    """The document: one run of nhictl with all its rules, and the results with the index of theirs."""
    index = {rule.id: number for number, rule in enumerate(rules)}
    driver = {
        "name": "nhictl",
        "version": version,
        "rules": [
            {"id": rule.id, "shortDescription": {"text": rule.summary}, "defaultConfiguration": {"level": rule.level}}
            for rule in rules
        ],
    }
    found = [_result(one, index[one.rule]) for one in results]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": found}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=True) + "\n"


def _result(one: SarifResult, number: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "ruleId": one.rule, "ruleIndex": number, "level": one.level, "message": {"text": one.message},
    }  # fmt: skip
    if one.file is not None:
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(one.file)}}
        if one.line is not None:
            place["region"] = {"startLine": one.line} | ({"startColumn": one.column} if one.column is not None else {})
        made["locations"] = [{"physicalLocation": place}]
    if one.properties:
        made["properties"] = one.properties
    return made
