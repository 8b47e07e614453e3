"""nhictl: per-task authority for AI agents and other non-human identities, revocable at once and provable afterwards."""

__version__ = "0.1.0"
