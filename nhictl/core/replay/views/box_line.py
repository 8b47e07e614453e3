"""A stored box on one line, in the words of the command line's BOX where those have it (contract §2)."""

from __future__ import annotations

from typing import Any, Final

from nhictl.core.strict_json import dumps

_SIGNS: Final = {"eq": "=", "in": "=", "not_in": "!=", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "glob": "~",
                 "under": "^", "starts_with": "^"}  # fmt: skip


def box_line(box: Any) -> str:
    """`pay.send?args.amount<=500`; what is no box in mapping form is shown as JSON. For reading, not to be typed again."""
    if not isinstance(box, dict) or not isinstance(box.get("tools"), list):
        return dumps(box)
    text = ",".join(str(tool) for tool in box["tools"])
    if "resource" in box:
        text += f"@{box['resource']}"
    when = box.get("when")
    told = [one for path, below in when.items() for one in _conditions(path, below)] if isinstance(when, dict) else []
    return text + (f"?{'&'.join(told)}" if told else "")


def _conditions(path: str, below: Any) -> list[str]:
    if not isinstance(below, dict):
        return [f"{path}={dumps(below)}"]
    mark = "?" if below.get("absent_ok") else ""
    return [
        f"{path}{mark}{_SIGNS.get(op, f' {op} ')}{_operand(value)}" for op, value in below.items() if op != "absent_ok"
    ]


def _operand(value: Any) -> str:
    if isinstance(value, list):
        return "|".join(_operand(one) for one in value)
    return value if isinstance(value, str) else dumps(value)
