"""What a detection sees at one step: authority before it, the step itself, and what several of them work out alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy.box import box_from_mapping, scope_verdict
from nhictl.core.policy.catalogue import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nhictl.core.policy.box_value import Box
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.replay.authority.entities import Task, Token
    from nhictl.core.replay.authority.fold import Authority
    from nhictl.core.replay.authority.step import Step

    Policies = Callable[[str], Policy | None]

SKEW_US: Final = 60_000_000
"""How far two clocks may be apart before a difference means something (reference/replay.md §3)."""
MASKED: Final = "an argument that was masked, and decides"
_CACHED: Final = 4096
_READING: Final = (
    "cat", "check", "count", "describe", "fetch", "find", "get", "grep", "head", "list", "lookup", "ls", "query", "read",
    "search", "show", "stat", "status", "view",
)  # fmt: skip


class Scope:
    """Stored scopes read once each, and which tools they name."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[list[Any], tuple[Box, ...], dict[str, bool]]] = {}

    def boxes(self, scope: list[Any]) -> tuple[Box, ...]:
        """The boxes of a stored scope."""
        return self._read(scope)[1]

    def names(self, scope: list[Any], tool: str) -> bool:
        """Whether some box names the tool."""
        _, boxes, named = self._read(scope)
        found = named.get(tool)
        if found is None:
            found = named[tool] = any(box.matches_tool(tool) for box in boxes)
        return found

    def _read(self, scope: list[Any]) -> tuple[list[Any], tuple[Box, ...], dict[str, bool]]:
        found = self._known.get(id(scope))
        if found is None:  # the list itself is kept, so that no other one gets its number
            if len(self._known) >= _CACHED:
                self._known.clear()
            boxes = tuple(box_from_mapping(entry, stored=True) for entry in scope)
            found = self._known[id(scope)] = (scope, boxes, {})
        return found


class Scene:
    """One step. `second` says whether there is a source besides our log, `declared` is the scope of tasks that no record
    of ours opened, if somebody gave one.
    """

    def __init__(self, world: Authority, policies: Policies, declared: list[Any] | None, *, second: bool) -> None:
        self.world = world
        self.policies = policies
        self.declared = declared
        self.second = second
        self.scope = Scope()
        self.step: Step
        self._drift: tuple[bool | None, str] | None = None
        self._cover: tuple[int | None, str | None] | None = None

    def enter(self, step: Step) -> None:
        """Go to the next step."""
        self.step = step
        self._drift = None
        self._cover = None

    @property
    def task(self) -> Task | None:
        """The task that the step names."""
        return self.world.tasks.get(self.step.task) if self.step.task is not None else None

    @property
    def token(self) -> Token | None:
        """The token that the step names."""
        return self.world.tokens.get(self.step.jti) if self.step.jti is not None else None

    def beside(self) -> bool:
        """Whether the step is another log's, told beside ours: what it does not say of tasks, ours does."""
        return self.step.foreign is not None and self.world.newest is not None

    def digest(self) -> str | None:
        """The digest of the policy that decided, else of the one in force; None: there was none."""
        named = self.step.dec.get("pdig")
        if isinstance(named, str):
            return named
        return self.world.policy[0] if self.world.policy is not None else None

    def policy(self) -> Policy | None:
        """That policy, None if there was none or it is not at hand (`lost` tells)."""
        digest = self.digest()
        return self.policies(digest) if digest is not None else None

    def lost(self) -> str | None:
        """What is missing where the policy is known by digest alone, or nothing of a policy is known."""
        digest = self.digest()
        if digest is None:
            return "a policy in force"
        return None if self.policies(digest) is not None else f"the policy {digest}"

    def scopes(self) -> list[list[Any] | None]:
        """Every scope that the call has to lie in; None for one that is not at hand."""
        task = self.task
        if task is None and self.declared is not None:
            return [self.declared]
        return self.world.scopes(task, self.token)

    def drift(self) -> tuple[bool | None, str]:
        """Whether the tool is outside what the task declares; None if that cannot be told, and what is missing."""
        if self._drift is None:
            self._drift = self._drifts()
        return self._drift

    def _drifts(self) -> tuple[bool | None, str]:
        tool = self.step.tool
        if tool is None:
            return None, "the tool"
        known = True
        for scope in self.scopes():
            if scope is None:
                known = False
            elif not self.scope.names(scope, tool):
                return True, ""
        return (False, "") if known else (None, "the scope of a task")

    def cover(self) -> tuple[int | None, str | None]:
        """The box of the task's scope that covers the call, or None and why: `outside`, or `?` and what is missing."""
        if self._cover is None:
            self._cover = self._covers()
        return self._cover

    def _covers(self) -> tuple[int | None, str | None]:
        step = self.step
        drifted, missing = self.drift()
        if drifted is None:
            return None, f"?{missing}"
        if drifted or step.tool is None:
            return None, "outside"
        box: int | None = None
        for scope in self.scopes():
            boxes = self.scope.boxes(scope or [])
            if step.args is None and any(b.clauses or b.resource for b in boxes if b.matches_tool(step.tool)):
                plain = next((n for n, b in enumerate(boxes) if _plain(b, step.tool)), None)
                if plain is None:
                    return None, "?the arguments"
                box = plain
                continue
            policy = self.policy()
            if policy is None and self.digest() is not None and _typed(boxes, step.tool):
                return None, f"?{self.lost()}"
            read = {clause[0] for b in boxes if b.matches_tool(step.tool) for clause in b.clauses}
            if (read or any(b.resource for b in boxes)) and self.hidden(policy, read.__contains__):
                return None, f"?{MASKED}"
            box = scope_verdict(boxes, policy, step.tool, step.args or {}, step.resource).box
            if box is None:
                return None, "outside"
        return box, None

    def masked(self) -> list[str]:
        """The dotted names of arguments that were secrets, and of which the log keeps a mark only."""
        if not self.step.ext.get("masked"):
            return []
        found: list[str] = []
        level: list[tuple[str, Any]] = [("", self.step.args)]
        while level:
            name, value = level.pop()
            if isinstance(value, dict):
                level += [(f"{name}.{key}" if name else str(key), one) for key, one in value.items()]
            elif isinstance(value, list):
                level += [(name, one) for one in value]
            elif isinstance(value, str) and "[masked:" in value:
                found.append(name)
        return sorted(set(found))

    def hidden(self, policy: Policy | None, read: Callable[[str], bool]) -> bool:
        """Whether a masked argument is one that decides: it is read, or is of a type that a mark is no value of."""
        tool = policy.tool(self.step.tool or "") if policy is not None else None
        kinds = {name: tool.argument_type(name) for name in self.masked()} if tool is not None else {}
        if any(kind is not None and kind.kind != "string" for kind in kinds.values()):
            return True
        return any(read(f"args.{name}") for name in self.masked())

    def acts(self) -> bool:
        """Whether the tool has side effects: it is in a class of the policy in force; without classes, unless its name
        begins with a word for reading.
        """
        policy, tool = self.policy(), self.step.tool or ""
        if policy is not None and (classes := policy.form.get("classes")):
            return any(tool in one["tools"] for one in classes.values())
        words = tool.replace(":", ".").replace("/", ".").rpartition(".")[2]
        return not words.lower().startswith(_READING)

    def resource(self) -> str | None:
        """The resource of the call as the catalogue derives it, else as the caller named it; None: none, or unknown."""
        policy, step = self.policy(), self.step
        tool = policy.tool(step.tool) if policy is not None and step.tool is not None else None
        if tool is None or step.args is None:
            return step.resource
        try:
            return tool.validate(step.args, step.resource)[2]
        except InvalidRequestError:
            return step.resource


def _plain(box: Box, tool: str) -> bool:
    return box.matches_tool(tool) and not box.clauses and box.resource is None and not box.unknown


def _typed(boxes: tuple[Box, ...], tool: str) -> bool:
    return any((box.clauses or box.resource is not None) and box.matches_tool(tool) for box in boxes)
