"""Compliance evidence: what the controls of four frameworks come to, measured on authority and its log.

Frameworks and their controls: reference/controls.md (OWASP Top 10 for Agentic Applications 2026, OWASP NHI Top 10 2025, CSA
MAESTRO, NIST AI RMF GOVERN). One small pure function a control over `Evidence`; where there is nothing to measure the
answer is `no_data`, never `met`. Tools supply evidence only: whether an organisation complies is for people to say.
"""

from __future__ import annotations
