"""A trust as a value, as it is stored: by then it was read and linted."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.core.trust import providers

DEFAULT_DEADLINE_S: Final = 3600
DEFAULT_TTL_S: Final = 300


class Trust(NamedTuple):
    """A trust. Lists stand where several will do; lengths of time in seconds; `scope` is boxes in mapping form."""

    name: str
    provider: str
    issuer: str
    keys: list[dict[str, Any]]
    algorithms: list[str]
    audience: str
    match: dict[str, list[Any]]
    agent: str
    intents: list[str]
    scope: list[dict[str, Any]]
    token_audiences: list[str]
    deadline_s: int = DEFAULT_DEADLINE_S
    ttl_s: int = DEFAULT_TTL_S
    max_tokens: int = 1
    max_calls: int | None = None
    max_lifetime_s: int = 900

    @property
    def of(self) -> providers.Provider:
        """The kind of issuer."""
        return providers.PROVIDERS[self.provider]

    @property
    def key_digest(self) -> str:
        """`sha256:` and the digest of the pinned keys in canonical JSON: members sorted, keys in the order given."""
        return _digest([dict(sorted(key.items())) for key in self.keys])

    @property
    def digest(self) -> str:
        """`sha256:` and the digest of the whole trust."""
        return _digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The trust as it is stored."""
        return self._asdict()

    @classmethod
    def from_json(cls, text: str) -> Trust:
        """The trust back from its stored form."""
        return cls(**strict_json.loads(text))


def _digest(value: Any) -> str:
    return "sha256:" + sha256(strict_json.dumps(value).encode()).hexdigest()
