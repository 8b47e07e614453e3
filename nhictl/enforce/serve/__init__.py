"""`nhictl serve`: the authority as an HTTP decision point, on a socket whose peers the kernel names, or on loopback.

It promises what every enforcement point does, and: no decision and no token leaves before its record is durable; a request
is judged by the state as it is then, so that a revocation is felt at the next one; a request that is slow, too large,
malformed or dropped harms no other; whatever cannot be decided is refused. It follows OpenID AuthZEN Authorization API 1.0
(evaluation, evaluations), RFC 7662 (introspection), RFC 8693 (token exchange), RFC 8414 (metadata), and Prometheus' text
format 0.0.4. TLS is a reverse proxy's.
"""
