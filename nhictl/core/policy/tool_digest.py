"""The digest of a tool as its server describes it, by which a description that changed is seen.

An enforcement point tells the digest of a tool as it is described now in the request's context, as `tool.digest`.
"""

from __future__ import annotations

from typing import Any

__all__ = ["tool_digest"]


def tool_digest(name: Any, description: Any, input_schema: Any) -> str:
    """`sha256:` and the SHA-256, in hex, of the JSON object `{description, inputSchema, name}`: sorted, no spaces, UTF-8.

    What a model reads of a tool is covered; title, annotations and output schema are not. A lone surrogate is a ValueError.
    """
    import json
    from hashlib import sha256

    value = {"name": name, "description": description, "inputSchema": input_schema}
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return "sha256:" + sha256(text.encode("utf-8")).hexdigest()
