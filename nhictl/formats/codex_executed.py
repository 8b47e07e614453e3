"""What a Codex rollout says was executed: one shape for `event_msg` records and for the items of `item_completed`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.formats.reading import decoded, kept, text_of

if TYPE_CHECKING:
    from nhictl.core.replay.event import Event

ITEM_NOTES: Final = frozenset({"AgentMessage", "ContextCompaction", "HookPrompt", "Plan", "Reasoning", "SubAgentActivity",
                               "UserMessage"})  # fmt: skip
HOSTED: Final = frozenset({"image_generation", "tool_search", "web_search"})
"""Tools that no command stands behind."""

_REJECTED: Final = ("exec command rejected by user", "patch rejected by user", "rejected by user",
                    "failed: rejected by user", "command rejected by user")  # fmt: skip
_COLLAB: Final = {
    "collab_agent_spawn_end": "spawn_agent",
    "collab_agent_interaction_end": "send_input",
    "collab_waiting_end": "wait",
    "collab_close_end": "close_agent",
    "collab_resume_end": "resume_agent",
}


class Done(NamedTuple):
    """An execution: whose id, which tool, with what, what came of it; `outcome` is None where it only began."""

    identity: Any
    tool: str | None
    args: Any
    outcome: str | None
    result: Any
    error: Any
    more: dict[str, Any] | None


def of_event(kind: str, event: dict[str, Any]) -> Done | None:
    """What an `event_msg` says was executed; None if it is no execution."""
    identity = event.get("call_id", event.get("callId"))
    if kind in ("exec_command_begin", "exec_command_end"):
        return _command(identity, event, ended=kind.endswith("_end"))
    if kind in ("mcp_tool_call_begin", "mcp_tool_call_end"):
        return _mcp_event(identity, event, ended=kind.endswith("_end"))
    if kind in ("patch_apply_begin", "patch_apply_end"):
        return _patch(identity, event, ended=kind.endswith("_end"))
    if kind in ("dynamic_tool_call_request", "dynamic_tool_call_response"):
        return _dynamic(identity, event, ended=kind.endswith("_response"))
    if kind in ("web_search_begin", "web_search_end"):
        ended = kind.endswith("_end")
        args = event.get("action") or {k: event[k] for k in ("query",) if k in event}
        return Done(identity, "web_search", args, "ok" if ended else None, event.get("results"), None,
                    kept(event, "type", "call_id", "action", "results"))  # fmt: skip
    if kind in ("image_generation_begin", "image_generation_end"):
        outcome = _status(event.get("status")) or "ok" if kind.endswith("_end") else None
        args = {k: event[k] for k in ("revised_prompt",) if k in event}
        return Done(identity, "image_generation", args, outcome, event.get("result"), None,
                    kept(event, "type", "call_id", "result", "revised_prompt"))  # fmt: skip
    if kind == "view_image_tool_call":
        return Done(identity, "view_image", {"path": event.get("path")}, "ok", None, None, None)
    if kind in _COLLAB:
        return Done(identity, _COLLAB[kind], {k: event[k] for k in ("prompt", "receiver_thread_id") if k in event}, "ok",
                    event.get("status", event.get("statuses")), None, kept(event, "type", "call_id"))  # fmt: skip
    return None


def of_item(item: dict[str, Any]) -> Done | None:
    """What an item says was executed; None if it is no execution."""
    kind, identity = item["type"], item.get("id")
    if kind == "CommandExecution":
        return _command(identity, item, ended=True)
    if kind == "McpToolCall":
        result, error = item.get("result"), item.get("error")
        failed = bool(error) or (isinstance(result, dict) and result.get("isError") is True)
        outcome = "error" if failed else _status(item.get("status")) or "ok"
        return Done(identity, _mcp_name(item), decoded(item.get("arguments")), outcome, result, error,
                    kept(item, "type", "id", "server", "tool", "arguments", "result", "error"))  # fmt: skip
    if kind == "FileChange":
        return _patch(identity, item, ended=True)
    if kind == "DynamicToolCall":
        return _dynamic(identity, item, ended=True)
    if kind == "CollabAgentToolCall":
        return Done(identity, _snake(item.get("tool")), {k: item[k] for k in ("prompt", "receiver_thread_ids") if k in item},
                    _status(item.get("status")) or "ok", item.get("agents_states"), None, None)  # fmt: skip
    if kind in ("WebSearch", "Extension"):
        tool = "web_search" if kind == "WebSearch" or "query" in item else item.get("kind")
        args = item.get("action") or {"query": item.get("query")}
        more = kept(item, "type", "id", "action", "results")
        outcome = _status(item.get("status")) or "ok"
        return Done(identity, tool if isinstance(tool, str) else None, args, outcome, item.get("results"), None, more)
    if kind == "ImageView":
        return Done(identity, "view_image", {"path": item.get("path")}, "ok", None, None, None)
    if kind == "ImageGeneration":
        return Done(identity, "image_generation", {k: item[k] for k in ("revised_prompt",) if k in item},
                    _status(item.get("status")) or "ok", item.get("result"), None, None)  # fmt: skip
    if kind == "Sleep":
        return Done(identity, "sleep", {"duration_ms": item.get("duration_ms")}, "ok", None, None, None)
    return None


def of_output(output: Any) -> str:
    """How a call ended by the output the model was told: `error` and `denied` where it says so, else `ok`."""
    told = decoded(output)
    if isinstance(told, dict):
        if told.get("success") is False:
            return "error"
        code = told["metadata"].get("exit_code") if isinstance(told.get("metadata"), dict) else told.get("exit_code")
        if isinstance(code, int) and not isinstance(code, bool) and code != 0:
            return "error"
        told = told.get("text", told.get("content"))
    elif isinstance(told, list):
        told = next((part.get("text") for part in told if isinstance(part, dict) and "text" in part), None)
    if isinstance(told, str):
        if told.startswith(_REJECTED):
            return "denied"
        if told.startswith("Exit code: ") and told[11:].partition("\n")[0].strip() not in ("0", ""):
            return "error"
        if told.startswith("aborted by user"):
            return "error"
    return "ok"


def fits(known: set[str], event: Event, done: Done) -> bool:
    """Whether an execution with the id of a call can be that call: ids are used again, for other tools as well."""
    asked, tool = event.tool, done.tool
    if "asked" not in known:
        return asked == tool and event.args == done.args
    if asked is None or tool is None or asked == tool:
        return True
    # The model asks for the shell under several names, and for a patch by way of the shell.
    by_shell = tool in ("shell", "apply_patch") and asked not in HOSTED and not asked.startswith("mcp__")
    return by_shell or tool.endswith(f"__{asked}")


def same(asked: Any, done: Any, tool: str | None) -> bool:
    """Whether what was executed is what was asked for; a command may have been put into a shell meanwhile."""
    if asked == done or not isinstance(done, dict) or tool != "shell":
        return True
    command = done.get("command")
    wanted = asked.get("command", asked.get("cmd", asked.get("input"))) if isinstance(asked, dict) else asked
    if wanted is None or command is None or wanted == command:
        return True
    return isinstance(command, list) and bool(command) and wanted == command[-1]


def _command(identity: Any, said: dict[str, Any], *, ended: bool) -> Done:
    args = {k: said[k] for k in ("command", "cwd") if k in said}
    outcome = None
    if ended:
        code = said.get("exit_code")
        outcome = _status(said.get("status")) if said.get("status") == "declined" else None
        if outcome is None and isinstance(code, int) and not isinstance(code, bool):
            outcome = "ok" if code == 0 else "error"
        outcome = outcome or _status(said.get("status")) or "unknown"
    result = said.get("aggregated_output") or said.get("stdout") or said.get("formatted_output")
    if result is None and ended and "aggregated_output" in said:
        result = said["aggregated_output"]
    more = kept(said, "type", "id", "call_id", "command", "cwd", "aggregated_output", "stdout", "formatted_output")
    return Done(identity, "shell", args, outcome, result, said.get("stderr") or None, more)


def _mcp_event(identity: Any, said: dict[str, Any], *, ended: bool) -> Done:
    asked = said.get("invocation")
    asked = asked if isinstance(asked, dict) else {}
    outcome, result, error = None, None, None
    if ended:
        answer = said.get("result")
        good = answer.get("Ok") if isinstance(answer, dict) else None
        error = answer.get("Err") if isinstance(answer, dict) else None
        failed = error is not None or (isinstance(good, dict) and good.get("isError", good.get("is_error")) is True)
        outcome = "error" if failed else "ok" if good is not None else "unknown"
        result = good
    return Done(identity, _mcp_name(asked), decoded(asked.get("arguments")), outcome, result, error,
                kept(said, "type", "call_id", "invocation", "result"))  # fmt: skip


def _patch(identity: Any, said: dict[str, Any], *, ended: bool) -> Done:
    outcome = None
    if ended:
        success = said.get("success")
        outcome = "ok" if success is True else "error" if success is False else None
        if outcome is None or said.get("status") == "declined":
            outcome = _status(said.get("status")) or "unknown"
    return Done(identity, "apply_patch", {"changes": said.get("changes")}, outcome, said.get("stdout"),
                said.get("stderr") or None, kept(said, "type", "id", "call_id", "changes", "stdout", "stderr"))  # fmt: skip


def _dynamic(identity: Any, said: dict[str, Any], *, ended: bool) -> Done:
    outcome = None
    if ended:
        success = said.get("success")
        outcome = "error" if success is False or said.get("error") else _status(said.get("status")) or "ok"
    more = kept(said, "type", "id", "call_id", "callId", "tool", "arguments", "content_items", "error")
    tool, args = text_of(said, "tool"), decoded(said.get("arguments"))
    return Done(identity, tool, args, outcome, said.get("content_items"), said.get("error"), more)


def _mcp_name(said: dict[str, Any]) -> str | None:
    server, tool = said.get("server"), said.get("tool")
    if not isinstance(tool, str):
        return None
    return f"mcp__{server}__{tool}" if isinstance(server, str) and server else tool


def _status(status: Any) -> str | None:
    return {"completed": "ok", "failed": "error", "declined": "denied"}.get(status) if isinstance(status, str) else None


def _snake(name: Any) -> str | None:
    if not isinstance(name, str):
        return None
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")
