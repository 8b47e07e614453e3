"""A proxy between an MCP client and an MCP server: each `tools/call` is judged before the server sees it.

What it promises: bytes of a message that is let through are not changed, in either direction; a message that cannot be read
without doubt is not passed; each call that was let through is settled, by its answer, its cancellation or the end. What it
knows of the protocol (MCP, revisions 2024-11-05 to 2025-11-25, over JSON-RPC 2.0) stands in `session`, which does no input
and output; `relay` carries lines between two pipes, `gateway` messages over streamable HTTP.

Why not on the official SDK: its types drop members they do not know, and a guard must not change what it lets through. The
SDK is what the tests drive it with.
"""
