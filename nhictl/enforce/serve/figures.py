"""Figures for Prometheus, in its text format 0.0.4. They name endpoints, statuses and reason codes: no agent, no tool."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Figures:
    """Counted since the start, by the one thread that answers requests."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], int] = defaultdict(int)
        self._decisions: dict[tuple[str, str], int] = defaultdict(int)
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = defaultdict(float)

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests[endpoint, status] += 1
        counts = self._buckets.setdefault(endpoint, [0] * (len(BUCKETS_S) + 1))
        counts[bisect_left(BUCKETS_S, seconds)] += 1
        self._seconds[endpoint] += seconds

    def decision(self, allowed: bool, reason: str) -> None:
        """A decision left."""
        self._decisions["allow" if allowed else "deny", reason] += 1

    def text(self, now: Mapping[str, tuple[str, float]]) -> str:
        """All of them; `now` are gauges as they stand, by name: what they are, and the value."""
        lines = _head("nhictl_requests_total", "counter", "Requests answered, by endpoint and HTTP status.")
        for (endpoint, status), count in sorted(self._requests.items()):
            lines.append(f'nhictl_requests_total{{endpoint="{endpoint}",status="{status}"}} {count}')
        lines += _head(
            "nhictl_decisions_total", "counter", "Decisions recorded and answered, by effect and reason code."
        )
        for (effect, reason), count in sorted(self._decisions.items()):
            lines.append(f'nhictl_decisions_total{{effect="{effect}",reason="{_escaped(reason)}"}} {count}')
        lines += _head("nhictl_request_seconds", "histogram", "Seconds from the headers of a request to its answer.")
        for endpoint, counts in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), counts, strict=True):
                total += count
                lines.append(f'nhictl_request_seconds_bucket{{endpoint="{endpoint}",le="{bound}"}} {total}')
            lines.append(f'nhictl_request_seconds_sum{{endpoint="{endpoint}"}} {self._seconds[endpoint]:.6f}')
            lines.append(f'nhictl_request_seconds_count{{endpoint="{endpoint}"}} {total}')
        for name, (what, value) in sorted(now.items()):
            lines += [
                *_head(name, "gauge", what),
                f"{name} {value:g}" if value != int(value) else f"{name} {int(value)}",
            ]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, what: str) -> list[str]:
    return [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
