"""Rollouts of Codex: `~/.codex/sessions/Y/M/D/rollout-*.jsonl`, one `{timestamp, type, payload}` a line.

What the model asked for stands in `response_item` (`function_call`, `custom_tool_call`, `local_shell_call`,
`tool_search_call`, `web_search_call`, …), what was executed in `event_msg` (`exec_command_end`, `mcp_tool_call_end`,
`patch_apply_end`, …) and again in `item_completed`; one call's records share its id and make one event. What was executed
decides result and outcome, and the arguments where they differ from those asked for (kept in `ext.asked`). Something
executed that nobody asked for by that id is a call of its own.

- run: the id of the file's first `session_meta` (later ones are of a session this one was forked from).
- agent: `codex`; instance and task: that id. No intent, no principal: the log names neither.
- tool: the name asked for; executed MCP tools are `mcp__SERVER__TOOL`, as hosts name them to the model.
- args: JSON text is decoded, the free text of a custom tool stays a text.
- outcome: `denied` where it was declined or rejected, else by exit code, status or `success`, else `ok` once it returned.

Other known records are events `note.TYPE`, messages `message.ROLE`; older rollouts have the items without an envelope.
Source: reference/replay.md §1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.formats import codex_executed as executed
from nhictl.formats import moments
from nhictl.formats.reading import BrokenError, Reading, UnknownError, decoded, kept, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nhictl.core.replay.event import Event

_LINES: Final = frozenset({
    "compacted", "inter_agent_communication_metadata", "inter_agent_communication", "session_meta", "turn_context",
    "world_state",
})  # fmt: skip
_ASKS: Final = {
    "function_call": "arguments",
    "custom_tool_call": "input",
    "local_shell_call": "action",
    "tool_search_call": "arguments",
    "web_search_call": "action",
    "image_generation_call": None,
}
"""Kinds of item that ask for a call, and the member that holds its arguments."""

_ANSWERS: Final = frozenset({"function_call_output", "custom_tool_call_output", "tool_search_output",
                             "local_shell_call_output", "mcp_tool_call_output"})  # fmt: skip
_ITEM_NOTES: Final = frozenset({"agent_message", "compaction", "compaction_summary", "compaction_trigger",
                                "context_compaction", "ghost_snapshot", "other", "reasoning"})  # fmt: skip
_EVENT_NOTES: Final = frozenset({
    "agent_message", "agent_reasoning", "agent_reasoning_raw_content", "agent_reasoning_section_break",
    "apply_patch_approval_request", "background_event", "collab_agent_interaction_begin", "collab_agent_spawn_begin",
    "collab_close_begin", "collab_resume_begin", "collab_waiting_begin", "context_compacted", "deprecation_notice",
    "elicitation_request", "entered_review_mode", "error", "exec_approval_request", "exited_review_mode",
    "guardian_assessment", "hook_completed", "hook_started", "item_started", "model_reroute", "plan_update",
    "request_permissions", "request_user_input", "session_configured", "shutdown_complete", "stream_error",
    "sub_agent_activity", "task_complete", "task_started", "terminal_interaction", "thread_goal_updated",
    "thread_name_updated", "thread_rolled_back", "thread_settings_applied", "token_count", "turn_aborted", "turn_complete",
    "turn_diff", "turn_started", "undo_completed", "undo_started", "user_message", "warning",
})  # fmt: skip


def claims(record: Mapping[str, Any]) -> bool:
    """Whether a record is a line of a rollout."""
    kind = text_of(record, "type")
    if "payload" in record and "timestamp" in record:
        return kind in _LINES or kind in ("response_item", "event_msg")
    return (kind in _ASKS or kind in _ANSWERS) and ("call_id" in record or "status" in record)


class Codex(Reading):
    """A rollout."""

    format = "codex"
    agent = "codex"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.named = False
        self.instance: str | None = None

    def record(self, value: dict[str, Any]) -> None:
        """Take one line."""
        kind, payload = value.get("type"), value.get("payload")
        if not isinstance(kind, str):
            raise UnknownError
        self.time = moments.rfc3339(value.get("timestamp"))
        if payload is None and "payload" not in value:
            self._item(value)  # a rollout of before there was an envelope
            return
        if not isinstance(payload, dict):
            raise BrokenError("`payload` is not an object")
        if kind == "response_item":
            self._item(payload)
        elif kind == "event_msg":
            self._happened(payload)
        elif kind in _LINES:
            if kind == "session_meta":
                self._name(payload)
            self._note(f"note.{kind}", payload)
        else:
            raise UnknownError

    def _name(self, meta: dict[str, Any]) -> None:
        identity = text_of(meta, "id") or text_of(meta, "session_id")
        if identity is not None and not self.named:
            self.named = True
            self.run = self.task = self.instance = identity

    def _note(self, kind: str, payload: dict[str, Any]) -> Event:
        event = self.event(kind)
        event.inst = self.instance
        event.ext = kept(payload, "type")
        return event

    def _item(self, item: dict[str, Any]) -> None:
        kind = text_of(item, "type")
        if kind == "message":
            role = text_of(item, "role")
            if role is None or "content" not in item:
                raise BrokenError("a message without `role` or `content`")
            event = self.event(f"message.{role}", span=text_of(item, "id"))
            event.inst = self.instance
            event.set_content(item["content"])
            event.ext = kept(item, "type", "role", "content", "id")
        elif kind in _ASKS:
            self._asked(str(kind), item)
        elif kind in _ANSWERS:
            self._answered(item)
        elif kind in _ITEM_NOTES:
            self._note(f"note.{kind}", item)
        else:
            raise UnknownError

    def _asked(self, kind: str, item: dict[str, Any]) -> None:
        identity = item.get("call_id") or item.get("id")
        tool = text_of(item, "name") or ("shell" if kind == "local_shell_call" else kind.removesuffix("_call"))
        member = _ASKS[kind]
        args = item.get(member) if member else {k: v for k, v in item.items() if k == "revised_prompt"}
        if kind == "function_call":
            args = decoded(args)
        hosted = kind in ("web_search_call", "image_generation_call")  # done where the model is; no output will follow
        done = self.calls.find(identity, "asked", lambda held: held.event.tool == tool) if hosted else None
        if done is not None:  # then what was executed may be recorded first
            done.event.ext = {**(done.event.ext or {}), "asked": kept(item, "type", "call_id", "id")}
            return
        event = self.call(tool, args, identity, span=identity if isinstance(identity, str) else None)
        event.inst = self.instance
        event.ext = kept(item, "type", "call_id", "name", "namespace", *([member] if member else ()))
        if item.get("namespace") is not None:
            event.ext = {**(event.ext or {}), "namespace": item["namespace"]}
        if kind == "function_call" and "name" not in item:
            event.tool = None
            self.problem("a call names no tool", at=True)
        if hosted:
            status = item.get("status")
            if status in ("completed", "failed"):
                self.ended(event, "ok" if status == "completed" else "error", item.get("result"))
        self.calls.add(identity, event, message=None, kind="asked")

    def _answered(self, item: dict[str, Any]) -> None:
        identity = item.get("call_id")
        call = self.calls.find(identity, "answered")
        result = item.get("output", item.get("tools", item.get("result")))
        outcome = executed.of_output(result)
        if call is None:
            event = self.event("tool.returned")
            event.inst, event.call = self.instance, identity
            self.problem("a result that no call fits", at=True)
        elif call.known & {"event", "item"}:
            if result != call.event.result:
                call.event.ext = {**(call.event.ext or {}), "answer": result}
            return
        else:
            event = call.event
        self.ended(event, outcome, result, result if outcome in ("error", "denied") else None)

    def _happened(self, payload: dict[str, Any]) -> None:
        kind = payload.get("type")
        if not isinstance(kind, str):
            raise BrokenError("`payload` has no `type`")
        if kind in ("item_completed", "item_started"):
            item = payload.get("item")
            if not isinstance(item, dict) or not isinstance(item.get("type"), str):
                raise BrokenError("`item` is not an object with a `type`")
            done = executed.of_item(item)
            if done is None or kind == "item_started":
                if item["type"] not in executed.ITEM_NOTES and done is None:
                    raise UnknownError
                self._note(f"note.{kind}", payload)
            else:
                self._executed("item", done)
        elif (done := executed.of_event(kind, payload)) is not None:
            self._executed("event" if done.outcome is not None else "begun", done)
        elif kind in _EVENT_NOTES:
            self._note(f"note.{kind}", payload)
        else:
            raise UnknownError

    def _executed(self, family: str, done: executed.Done) -> None:
        """Give the call it belongs to what was executed, or make it one."""
        call = self.calls.find(done.identity, family, lambda held: executed.fits(held.known, held.event, done))
        if call is None:
            event = self.call(done.tool, done.args, done.identity, span=_text(done.identity))
            event.inst = self.instance
            self.calls.add(done.identity, event, kind=family)
            event.ext = done.more
        else:
            event = call.event
            if not executed.same(event.args, done.args, done.tool) and "asked" in call.known:
                event.ext = {**(event.ext or {}), "asked": event.args}
                event.args = done.args
            event.ext = {**(event.ext or {}), "executed": done.more} if done.more else event.ext
        if done.outcome is not None and (done.outcome != "unknown" or event.outcome == "unknown"):
            failed = done.outcome in ("error", "denied")
            self.ended(event, done.outcome, done.result, (done.error or done.result) if failed else None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


READING: Final = Codex
