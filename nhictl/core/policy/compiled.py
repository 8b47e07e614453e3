"""A policy as it is kept and evaluated: canonical JSON in and out, and an index from tool and agent to the rules that
matter.

The canonical form is sorted and knows nothing of the order of rules or of how they were split over files, so that its
digest names the meaning. Loading builds no rule: the rules of a tool are compiled when a request first asks for that
tool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy.catalogue import Tool
from nhictl.core.policy.plan import Plan, Rule, plan_for
from nhictl.core.policy.resource import under
from nhictl.core.policy.types import SENSITIVITY

if TYPE_CHECKING:
    from nhictl.core.policy.gates import Gate
    from nhictl.core.policy.limits import Limit
    from nhictl.core.policy.registry import Agent

__all__ = ["DRIFTING", "FORMAT", "GATED", "LIVE", "Policy"]

FORMAT = 1
GATED = 2
"""The format of a policy with classes: an earlier version, which would not see their gates, refuses it."""
LIVE = 3
"""The format of a policy with limits, costs, openers or approvers, for the same reason."""
DRIFTING = 4
"""The format of a policy with digests of tools or with assertions: an earlier version would take a tool that is described
otherwise, and prove nothing."""
FORMATS: Final = (FORMAT, GATED, LIVE, DRIFTING)
_MAX_PLANS = 4096
_NONE: list[Gate] = []


class Policy:
    """An immutable policy. `form` is its canonical form; build one with `parse_policy` or `from_json`."""

    __slots__ = (
        "_by_tool",
        "_bytes",
        "_data",
        "_digest",
        "_gates",
        "_limits",
        "_plans",
        "_rules",
        "_tools",
        "form",
        "limited",
        "timezone",
    )

    def __init__(self, form: dict[str, Any]) -> None:
        self.form = form
        self.timezone: str = form["timezone"]
        self._by_tool: dict[str, list[dict[str, Any]]] | None = None
        self._bytes: bytes | None = None
        self._digest: str | None = None
        self._tools: dict[str, Tool] = {}
        self._rules: dict[str, list[Rule]] = {}
        self._plans: dict[Any, Plan] = {}
        self._gates: dict[str, list[Gate]] = {}
        self._limits: dict[str, list[Limit]] = {}
        self.limited = "limits" in form
        # Longest prefix first, so that the first that covers a resource decides.
        self._data = [
            (p, SENSITIVITY.index(s)) for p, s in sorted(form["data"].items(), key=lambda e: (-len(e[0]), e[0]))
        ]

    def to_json(self) -> bytes:
        """Return the canonical form: UTF-8 JSON with sorted members."""
        if self._bytes is None:
            import json

            text = json.dumps(self.form, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
            self._bytes = text.encode("utf-8")
        return self._bytes

    @classmethod
    def from_json(cls, data: bytes) -> Policy:
        """Read what `to_json` wrote; raise `ValueError` for anything that is no compiled policy of this format."""
        import json

        form = json.loads(data)
        if not isinstance(form, dict) or form.get("nhictl_compiled_policy") not in FORMATS:
            raise ValueError("not a compiled policy of this version")
        made = cls(form)
        made._bytes = data
        return made

    @property
    def digest(self) -> str:
        """`sha256:` and the SHA-256 of the canonical form in hex."""
        if self._digest is None:
            from hashlib import sha256

            self._digest = "sha256:" + sha256(self.to_json()).hexdigest()
        return self._digest

    @property
    def tools(self) -> dict[str, Tool]:
        """The whole catalogue, by name."""
        return {name: self._tool(name) for name in sorted(self.form["tools"])}

    @property
    def rule_ids(self) -> list[str]:
        """The ids of all rules, sorted."""
        return [rule["id"] for rule in self.form["rules"]]

    def tool(self, name: str) -> Tool | None:
        """Return a declared tool, None if it is undeclared."""
        found = self._tools.get(name)
        return found if found is not None else self._tool(name) if name in self.form["tools"] else None

    def _tool(self, name: str) -> Tool:
        found = self._tools.get(name)
        if found is None:
            found = self._tools[name] = Tool.from_json(name, self.form["tools"][name])
        return found

    @property
    def sensitivities(self) -> list[tuple[str, int]]:
        """Prefixes of resources with their rank, the longest first: the first that covers a resource decides."""
        return self._data

    def sensitivity_rank(self, resource: str) -> int:
        """Return the rank (0 public to 3 restricted) of a resource in normal form; an unlisted one counts as
        restricted.
        """
        for prefix, rank in self._data:
            if under(resource, prefix):
                return rank
        return len(SENSITIVITY) - 1

    def rules_for(self, tool: Tool) -> list[Rule]:
        """Return the rules whose tools include `tool`, compiled, sorted by id."""
        found = self._rules.get(tool.name)
        if found is None:
            if not self._rules:  # whoever asks about one tool alone is answered without an index of all
                forms = [rule for rule in self.form["rules"] if tool.name in rule["tools"]]
            else:
                forms = self.by_tool.get(tool.name, [])
            found = [Rule(rule, tool, self.timezone) for rule in forms]
            self._rules[tool.name] = found
        return found

    @property
    def by_tool(self) -> dict[str, list[dict[str, Any]]]:
        """The canonical rules by the tools that they name, sorted by id."""
        if self._by_tool is None:
            self._by_tool = {}
            for rule in self.form["rules"]:
                for name in rule["tools"]:
                    self._by_tool.setdefault(name, []).append(rule)
        return self._by_tool

    def gates(self, tool: Tool) -> list[Gate]:
        """Return what the classes of `tool` ask of its calls, compiled; nothing for a tool that is in none."""
        if "classes" not in self.form:
            return _NONE
        found = self._gates.get(tool.name)
        if found is None:
            from nhictl.core.policy.gates import gates_of

            found = self._gates[tool.name] = gates_of(self.form, tool, self.timezone)
        return found

    def limits(self, tool: Tool) -> list[Limit]:
        """Return the limits that may count a call of `tool`, compiled, by id; ask only where the policy is `limited`."""
        found = self._limits.get(tool.name)
        if found is None:
            from nhictl.core.policy.limits import limits_of

            found = self._limits[tool.name] = limits_of(self.form, tool, self.timezone)
        return found

    def plan(self, tool: Tool, agent: Agent) -> Plan:
        """Return what is left of a tool's rules for an agent once all that its registry attributes decide is decided."""
        key = (tool.name, agent.name, agent.env, agent.trust, agent.groups)
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            found = self._plans[key] = plan_for(self.rules_for(tool), agent)
        return found
