"""Per-task tokens: compact JWS (RFC 7515) in the JWT profile for access tokens (RFC 9068), ES256, verified in 20 steps.

Promised: every refusal has one reason code and the number of the step that gave it; no input makes an exception; a
token is judged by the issuer's own keys only, never by anything the token brings along. Order and codes:
reference/tokens.md §4.
"""
