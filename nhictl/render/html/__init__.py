"""A replay as one HTML file: no network, no file beside it, the same bytes for the same values.

Promises: every text that is not ours goes through `text.text`; the page forbids everything but its own style and script
by their hashes (Content Security Policy Level 3, `default-src 'none'`); without script all of it can still be read.
"""

from __future__ import annotations

from nhictl.render.html.page import document

__all__ = ["document"]
