"""Errors as text and as JSON."""

from __future__ import annotations

import json

import pytest

from nhictl.errors import ConflictError, InputError, NhictlError
from nhictl.render import error_json, error_text


def test_text_is_a_message_and_a_hint() -> None:
    error = ConflictError("task `t-1` is closed", hint="open a new one")
    assert error_text(error) == "nhictl: task `t-1` is closed\n  hint: open a new one"
    assert error_text(ConflictError("locked")) == "nhictl: locked"


def test_json_has_all_members_always() -> None:
    error = InputError("unknown key `wen`", file="p.yaml", line=3, column=5, hint="did you mean `when`")
    assert error_json(error) == (
        '{"schema":"nhictl.error/v1","error":{"code":"invalid_input","message":"p.yaml:3:5: unknown key `wen`",'
        '"hint":"did you mean `when`","details":{"file":"p.yaml","line":3,"column":5}}}'
    )
    assert json.loads(error_json(NhictlError("x", code="y"))) == {
        "schema": "nhictl.error/v1",
        "error": {"code": "y", "message": "x", "hint": None, "details": {}},
    }


def _endless() -> list[object]:
    endless: list[object] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    ("value", "shown"),
    [(b"\xff", {"v": "b'\\xff'"}), (float("nan"), {}), (_endless(), {}), ({(1, 2): 3}, {})],
)
def test_details_that_json_cannot_hold_never_hide_the_error(value: object, shown: dict[str, object]) -> None:
    body = json.loads(error_json(NhictlError("broken", details={"v": value})))["error"]
    assert (body["message"], body["details"]) == ("broken", shown)
