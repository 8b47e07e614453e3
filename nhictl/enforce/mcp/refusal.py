"""How a client is told that a call was not made."""

from __future__ import annotations

from typing import Any

from nhictl.enforce.mcp import message as rpc
from nhictl.ops.guard_call import Answer


def refusal(ident: Any, tool: str, reason: str, why: str, made: Answer | None, *, as_error: bool) -> dict[str, Any]:
    """As the tool's own error, which models read and act upon, or as one of the protocol (MCP "Error Handling" has both)."""
    text = f"nhictl: {tool[:100]} is denied: {reason}" + (f": {why}" if why else "")
    known: dict[str, Any] = {"nhictl/reason": reason}
    if made is not None:
        known["nhictl/record"] = made.seq
        if made.request is not None:
            text += f"; an approver can let this very call through once: nhictl approval grant {made.request}"
            known["nhictl/request"] = made.request
    if as_error:
        return rpc.error(ident, rpc.INVALID_PARAMS, text, known)
    result = {"content": [{"type": "text", "text": text}], "isError": True, "_meta": known}
    return {"jsonrpc": "2.0", "id": ident, "result": result}
