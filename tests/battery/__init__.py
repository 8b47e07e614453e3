"""The battery: every row of the attack table in variants, and honest histories that must never alarm.

`python -m tests.battery` prints it. An attack is a row of a table: what is done to an honest log, and what is to be said of
the result by somebody who knows nothing, by somebody who pinned the log's key, and by a witness who kept the log's head.
"""
