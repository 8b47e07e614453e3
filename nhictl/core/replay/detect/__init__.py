"""Detections: what a log shows that should not have happened, each with the records that decide it.

Promised: exact definitions (reference/replay.md §3), one pure function each over the fold of `core/replay/authority`, with a
skew of 60 s. A question that the evidence cannot answer is `unknown` and says what is missing, never clean. Findings are
put together by what they are about, so that a token used a thousand times after its end is one finding.
"""
