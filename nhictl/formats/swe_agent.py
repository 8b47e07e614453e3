"""Trajectories of SWE-agent (`.traj`): one JSON text `{environment, trajectory[], history[], info, …}`, no times.

A record is an element of `trajectory` (`{action, observation, response, thought, state, …}`, a step) or of `history`
(`{role, content, agent, action, tool_calls, tool_call_ids, …}`, a message). A step is one call; where the file has no
steps, each call that a message asks for is. Messages tell of a step what its text does not: `tool_calls` by name,
arguments and id.

- run: the file's; agent: `swe-agent`, instance: the `agent` of the messages; task, intent, principal: not in the file.
- tool: the function's name; an action that is only a command line is `bash` with `{"command": ACTION}`.
- outcome: `ok` once there is an observation: the format does not say whether a command succeeded.
- spans: `t<i>` for step i, `h<i>` for message i, `.<j>` for its call j.

Source: reference/replay.md §1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nhictl.formats.documents import DocumentReading
from nhictl.formats.json_head import LIST
from nhictl.formats.reading import BrokenError, Place, UnknownError, decoded, kept, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nhictl.core.replay.event import Event
    from nhictl.formats.elements import Element

_ROLES: Final = frozenset({"system", "user", "assistant", "tool", "demo"})


def claims(record: Mapping[str, Any]) -> bool:
    """Whether this is a trajectory: one of its lists, and nothing that other formats of messages have."""
    named = [
        name for name in ("trajectory", "history") if isinstance(record.get(name), list) or record.get(name) is LIST
    ]
    return bool(named) and "messages" not in record and ("trajectory" in named or len(record) == 1 or "info" in record)


class SweAgent(DocumentReading):
    """One trajectory."""

    format = "swe-agent"
    agent = "swe-agent"
    lists = ("trajectory", "history")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.members: dict[str, Any] = {}
        self.found: dict[str, list[tuple[Place, Any]]] = {"trajectory": [], "history": []}

    def element(self, name: str, element: Element) -> None:
        """Keep an element until both lists are there; broken ones are told at once."""
        if element.why is not None or name not in self.found:
            super().element(name, element)
        else:
            self.found[name].append((self.place, element.value))

    def rest(self, members: dict[str, Any]) -> None:
        """The members around the lists."""
        self.members = members

    def record(self, value: dict[str, Any]) -> None:  # noqa: ARG002 - whatever it says
        """A line, or an element of another list, is no record of this format."""
        raise UnknownError

    def end(self) -> None:
        """Take the messages, and the steps with what the messages say of them."""
        messages, steps = self.found["history"], self.found["trajectory"]
        self.place = Place(0, 0, "the file")
        if self.members or messages or steps:
            self.event("run", span="run").ext = self.members or None
        asked = self._messages(messages, calls=not steps)
        for place, (where, step) in enumerate(steps):
            self.place = where._replace(name=f"step {place}")
            self.take(step, partial(self._step, place, asked))

    def _messages(self, messages: list[tuple[Place, Any]], *, calls: bool) -> dict[str, list[dict[str, Any]]]:
        """Take the messages; return what each action text asks for by name. With `calls` they are the calls as well."""
        asked: dict[str, list[dict[str, Any]]] = {}
        open_calls: list[Event] = []
        for place, (where, message) in enumerate(messages):
            self.place = where._replace(name=f"message {place}")
            self.take(message, partial(self._message, place, asked, open_calls if calls else None))
        return asked

    def _message(
        self, at: int, asked: dict[str, list[dict[str, Any]]], waiting: list[Event] | None, message: dict[str, Any]
    ) -> None:
        role = text_of(message, "role")
        if role is None or "content" not in message:
            raise BrokenError("a message without `role` or `content`")
        if role not in _ROLES:
            raise UnknownError
        event = self.event(f"message.{role}", span=f"h{at}", parent="run")
        event.inst = text_of(message, "agent")
        event.set_content(message["content"])
        event.ext = kept(message, "role", "content", "agent")
        wanted = message.get("tool_calls")
        wanted = [call for call in wanted if isinstance(call, dict)] if isinstance(wanted, list) else []
        action = text_of(message, "action")
        if role == "assistant":
            if action is not None and len(wanted) == 1:
                asked.setdefault(action, []).append(wanted[0])
            if waiting is not None:
                waiting[:] = self._asked(at, message, wanted, action)
        elif waiting is not None and (role == "tool" or message.get("message_type") in (None, "observation")):
            self._observed(message, waiting)

    def _asked(self, at: int, message: dict[str, Any], wanted: list[dict[str, Any]], action: str | None) -> list[Event]:
        """The calls that a message asks for."""
        made = []
        for place, call in enumerate(wanted):
            made.append(self._called(call, action, span=f"h{at}.{place}", parent=f"h{at}"))
        if not made and action is not None and action.strip():
            made.append(self._called({}, message["action"], span=f"h{at}.0", parent=f"h{at}"))
        for event in made:
            event.inst = text_of(message, "agent")
        return made

    def _observed(self, message: dict[str, Any], waiting: list[Event]) -> None:
        named = message.get("tool_call_ids")
        named = [message["tool_call_id"]] if named is None and "tool_call_id" in message else named
        for event in list(waiting):
            if isinstance(named, list) and event.call is not None and event.call not in named:
                continue
            self.ended(event, "ok", message["content"])
            waiting.remove(event)

    def _called(self, call: dict[str, Any], action: str | None, *, span: str, parent: str | None) -> Event:
        function = call.get("function")
        name = text_of(function, "name")
        if name is None:
            return self.call("bash", {"command": action}, call.get("id"), span=span, parent=parent)
        event = self.call(name, decoded(function.get("arguments")), call.get("id"), span=span, parent=parent)  # type: ignore[union-attr]
        event.ext = {"action": action} if action is not None else None
        return event

    def _step(self, at: int, asked: dict[str, list[dict[str, Any]]], step: dict[str, Any]) -> None:
        action = step.get("action")
        if not isinstance(action, str):
            raise BrokenError("a step without an `action`")
        if not action.strip():  # the model said nothing that could be run
            event = self.event("note.step", span=f"t{at}", parent="run")
            event.set_content(step.get("response"))
            event.ext = kept(step, "response")
            return
        own = step.get("tool_calls")
        known = asked.get(action) or ([own[0]] if isinstance(own, list) and len(own) == 1 else [])
        call = known.pop(0) if known and isinstance(known[0], dict) else {}
        event = self._called(call, action, span=f"t{at}", parent="run")
        event.set_content(step.get("response"))
        event.ext = {**(event.ext or {}), **(kept(step, "action", "observation", "response") or {})} or None
        if step.get("observation") is not None:
            self.ended(event, "ok", step["observation"])


READING: Final = SweAgent
