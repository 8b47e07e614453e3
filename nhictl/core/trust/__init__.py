"""Trust in a foreign issuer, such as a CI system: its pinned keys, and which of its tokens may be exchanged for what.

A trust fixes issuer, keys, audience, exact claims, agent, intents and the scope ceiling (reference/tokens.md §3). A token
is verified by the ordered steps of §4, then held against the claims. Names can change hands, so that what counts are
immutable ids; and since an id alone would admit every pushed branch, a protected ref, environment or workflow as well.
"""
