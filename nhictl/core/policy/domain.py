"""What a condition allows, as values that can be reasoned about: each domain is a set of normal values with
`contains`.

Conditions are compiled from these, and the set algebra (subset, intersection, emptiness with a witness) is decided on
them; none of them hides behind a function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from nhictl.core.policy.glob import Glob
from nhictl.core.policy.resource import Refused, host_under, normal_resource, under
from nhictl.core.policy.types import scalar_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Domain", "Interval", "Looking", "Pattern", "Prefix", "Under", "Values"]


class Domain(Protocol):
    """A set of normal values of one type."""

    @property
    def contains(self) -> Callable[[Any], bool]:
        """Return the membership test."""
        ...


class Values:
    """A finite set, or with `negated` everything but one. `tagged` values carry their kind, since `1` is not `true`."""

    __slots__ = ("contains", "negated", "values")

    def __init__(self, values: Iterable[Any], *, negated: bool = False, tagged: bool = False) -> None:
        self.negated = negated
        self.values: frozenset[Any] = frozenset((scalar_kind(v), v) for v in values) if tagged else frozenset(values)
        inside = self._tagged if tagged else self.values.__contains__
        self.contains: Callable[[Any], bool] = (lambda value: not inside(value)) if negated else inside

    def _tagged(self, value: Any) -> bool:
        return (scalar_kind(value), value) in self.values


class Interval:
    """Numbers, ranks or instants between two bounds; None is no bound, and an open bound is not itself inside."""

    __slots__ = ("high", "high_open", "low", "low_open")

    def __init__(self, low: Any = None, high: Any = None, *, low_open: bool = False, high_open: bool = False) -> None:
        self.low = low
        self.high = high
        self.low_open = low_open
        self.high_open = high_open

    @property
    def contains(self) -> Callable[[Any], bool]:
        """Return the membership test."""
        low, high = self.low, self.high
        if low is None and high is not None:
            return (lambda v: v < high) if self.high_open else (lambda v: v <= high)
        if high is None and low is not None:
            return (lambda v: v > low) if self.low_open else (lambda v: v >= low)
        return self._both

    def _both(self, value: Any) -> bool:
        above = self.low is None or (value > self.low if self.low_open else value >= self.low)
        return bool(above and (self.high is None or (value < self.high if self.high_open else value <= self.high)))


class Under:
    """Everything at or below a prefix by whole segments: path segments, or labels of a host name."""

    __slots__ = ("host", "prefix")

    def __init__(self, prefix: str, *, host: bool = False) -> None:
        self.prefix = prefix
        self.host = host

    def contains(self, value: Any) -> bool:
        """Whether `value` lies at or below the prefix."""
        return host_under(value, self.prefix) if self.host else under(value, self.prefix)


class Looking:
    """Everything at or below a prefix, for values that nobody declared: their look says whether they are uri, path or
    name.
    """

    __slots__ = ("prefix",)

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def contains(self, value: Any) -> bool:
        """Whether `value` has a normal form that lies at or below the prefix."""
        try:
            return under(normal_resource(value), self.prefix)
        except Refused:
            return False


class Prefix:
    """Plain strings that start with a text."""

    __slots__ = ("prefix",)

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def contains(self, value: Any) -> bool:
        """Whether `value` starts with the prefix."""
        return bool(value.startswith(self.prefix))


class Pattern:
    """Strings that a glob covers whole."""

    __slots__ = ("contains", "glob")

    def __init__(self, glob: Glob) -> None:
        self.glob = glob
        self.contains: Callable[[Any], bool] = glob.matches
