"""Sessions of Claude Code: `~/.claude/projects/<slug>/<session>.jsonl` and `<session>/subagents/agent-*.jsonl`.

One JSON object a line: `type uuid parentUuid logicalParentUuid sessionId agentId isSidechain timestamp message …`; what
`--output-format stream-json` prints is read as well (`session_id`, `parent_tool_use_id`). Calls are the `tool_use` parts of
assistant messages (also `server_tool_use` and `mcp_tool_use`), results the parts that name them by `tool_use_id`; where
neither has an id, results are given by the parent message and by order.

- run: the `sessionId` of the file's first record that has one; with `/AGENT-ID` behind it for a subagent's file.
- agent: `claude-code`; instance: the `agentId`, else the `sessionId`; task: the `sessionId`. No intent, no principal: the
  log names neither. What it says of the working folder, version, model and so on is kept in `ext`.
- outcome: `denied` where the user or a permission refused, `error` by `is_error` or an interruption, else `ok`.
- spans are uuids, a call's is its id; a compacted session goes on through `logicalParentUuid`.

Other known records are events `note.TYPE`. `progress` repeats what a subagent's own file says: it makes no calls.
Source: reference/replay.md §1.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from nhictl.formats import moments
from nhictl.formats.reading import BrokenError, Reading, UnknownError, kept, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nhictl.core.replay.event import Event

_NOTES: Final = frozenset({
    "agent-color", "agent-name", "agent-setting", "ai-title", "attachment", "attribution-snapshot", "bridge-session",
    "content-replacement", "custom-title", "file-history-snapshot", "last-prompt", "marble-origami-commit", "mode",
    "permission-mode", "pr-link", "progress", "queue-operation", "result", "started", "summary", "system", "tag",
    "task-summary", "worktree-state",
})  # fmt: skip
_USES: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_REFUSALS: Final = (
    "The user doesn't want to proceed with this tool use",
    "The user doesn't want to take this action right now",
    "Claude requested permissions to ",
    "Permission to use ",
    "User rejected tool use",
    "Error: User rejected tool use",
)
"""How a result begins that says that the call was not let through."""

_OWN: Final = ("type", "uuid", "parentUuid", "logicalParentUuid", "timestamp", "message", "sessionId", "session_id")
_PARENTS: Final = ("parentUuid", "logicalParentUuid", "parent_tool_use_id")
_REMEMBERED: Final = 8192


def claims(record: Mapping[str, Any]) -> bool:
    """Whether a record is of this format, by the members that only it has."""
    if not isinstance(record.get("type"), str):
        return False
    if "session_id" in record and "uuid" in record and record["type"] in ("assistant", "user", "system", "result"):
        return True
    if "sessionId" in record and ("uuid" in record or "timestamp" in record or "operation" in record):
        return True
    return ("parentUuid" in record and "uuid" in record) or (
        record["type"] in ("summary", "file-history-snapshot") and ("leafUuid" in record or "messageId" in record)
    )


class ClaudeCode(Reading):
    """A session's file."""

    format = "claude-code"
    agent = "claude-code"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.named = False
        self.instance: str | None = None
        self.seen: OrderedDict[str, bytes] = OrderedDict()

    def record(self, value: dict[str, Any]) -> None:
        """Take one line."""
        kind = value.get("type")
        if not isinstance(kind, str):
            raise UnknownError
        self._name(value)
        self.task = text_of(value, "sessionId") or text_of(value, "session_id")
        self.instance = text_of(value, "agentId") or self.task
        self.time = moments.rfc3339(value.get("timestamp"))
        if kind in ("user", "assistant"):
            self._message(kind, value)
        elif kind in _NOTES:
            self._note(f"note.{kind}", value)
        else:
            raise UnknownError

    def _name(self, value: dict[str, Any]) -> None:
        session = text_of(value, "sessionId") or text_of(value, "session_id")
        worker = text_of(value, "agentId")
        if session is not None and not self.named:
            self.named = True
            apart = worker is not None and value.get("isSidechain") is True and worker not in session
            self.run = f"{session}/{worker}" if apart else session

    def _note(self, kind: str, value: dict[str, Any]) -> Event:
        parent = next((found for name in _PARENTS if (found := text_of(value, name)) is not None), None)
        event = self.event(kind, span=text_of(value, "uuid"), parent=parent)
        event.inst = self.instance
        event.ext = kept(value, *_OWN)
        for name in ("summary", "content"):
            if name in value and not event.has_content:
                event.set_content(value[name])
                event.ext = kept(value, *_OWN, name)
        if self.time is None and "timestamp" in value:
            event.ext = {**(event.ext or {}), "timestamp": value["timestamp"]}
        return event

    def _message(self, kind: str, value: dict[str, Any]) -> None:
        message = value.get("message")
        if not isinstance(message, dict):
            raise BrokenError("`message` is not an object")
        content = message.get("content")
        if not isinstance(content, str | list):
            raise BrokenError("the message has no `content`")
        parts = content if isinstance(content, list) else []
        if not all(isinstance(part, dict) for part in parts):
            raise BrokenError("a part of the message is not an object")
        if self._again(value):
            self._note("note.duplicate", value).set_content(content)
            return
        event = self._note(f"message.{kind}", value)
        event.set_content(content)
        if more := kept(message, "role", "content"):
            event.ext = {**(event.ext or {}), "message": more}
        for place, part in enumerate(parts):
            if text_of(part, "type") in _USES:
                self._called(value, message, place, part)
            elif "tool_use_id" in part or part.get("type") == "tool_result":
                self._returned(value, part)

    def _again(self, value: dict[str, Any]) -> bool:
        """Whether the very same line was there before, as where a session was taken up again."""
        uuid = text_of(value, "uuid")
        if uuid is None:
            return False
        same = _digest(self.raw)
        if self.seen.get(uuid) == same:
            return True
        self.seen[uuid] = same
        if len(self.seen) > _REMEMBERED:
            self.seen.popitem(last=False)
        return False

    def _called(self, value: dict[str, Any], message: dict[str, Any], place: int, part: dict[str, Any]) -> None:
        identity, uuid = part.get("id"), text_of(value, "uuid")
        of = text_of(message, "id") or uuid
        if isinstance(identity, str):
            for call in self.calls.held(identity):  # a streamed message is written again with what it had
                event = call.event
                if call.message == of and (event.tool, event.args) == (part.get("name"), part.get("input")):
                    return
        span = identity if isinstance(identity, str) else f"{uuid}.{place}" if uuid else None
        event = self.call(part.get("name"), part.get("input"), identity, span=span, parent=uuid)
        event.inst = self.instance
        event.ext = kept(part, "type", "id", "name", "input")
        if event.tool is None:
            self.problem("a tool_use names no tool", at=True)
        self.calls.add(identity if identity is not None else (uuid,), event, message=of)

    def _returned(self, value: dict[str, Any], part: dict[str, Any]) -> None:
        identity = part.get("tool_use_id")
        call = self.calls.find(identity if identity is not None else (text_of(value, "parentUuid"),), "result")
        told = value.get("toolUseResult", value.get("mcpMeta"))
        if call is None:
            event = self.event("tool.returned", span=None, parent=None)
            event.inst, event.call = self.instance, identity
            self.problem("a result that no call fits", at=True)
        else:
            event = call.event
        outcome = _outcome(part, told)
        self.ended(event, outcome, part.get("content"), part.get("content") if outcome in ("error", "denied") else None)
        if told is not None and told != part.get("content"):
            event.ext = {**(event.ext or {}), "tool_use_result": told}


def _outcome(part: dict[str, Any], told: Any) -> str:
    content = part.get("content")
    if isinstance(content, list):
        content = next((piece.get("text") for piece in content if isinstance(piece, dict) and "text" in piece), None)
    said = [text for text in (content, told) if isinstance(text, str)]
    failed = part.get("is_error") is True or str(part.get("type", "")).endswith("_error")
    if isinstance(part.get("content"), dict) and str(part["content"].get("type", "")).endswith("_error"):
        failed = True
    if any(text.startswith(_REFUSALS) for text in said) and (failed or isinstance(told, str)):
        return "denied"
    if isinstance(told, dict) and (told.get("interrupted") is True or told.get("is_error") is True):
        return "error"
    return "error" if failed else "ok"


def _digest(data: bytes) -> bytes:
    from hashlib import sha256

    return sha256(data).digest()


READING: Final = ClaudeCode
