"""Every byte the program prints is made here: results in six formats, errors, trees.

Importing this package, and printing JSON or a thing alone, loads nothing but `json`; rich, tabulate and csv are loaded
by the format that needs them. Whatever a value holds, no control, bidirectional or invisible character of it leaves
here raw (see `nhictl.render.escape`).
"""

from __future__ import annotations

from nhictl.render.errors import error_json, error_text
from nhictl.render.lines import Line
from nhictl.render.output import DOCUMENTS, FORMATS, emit
from nhictl.render.result import Result, Table

__all__ = ["DOCUMENTS", "FORMATS", "Line", "Result", "Table", "emit", "error_json", "error_text"]
