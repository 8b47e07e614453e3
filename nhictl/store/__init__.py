"""The disk and the database: files with checked modes, the writers' queue, SQLite, key custody. No rules live here.

One SQLite file in WAL mode with `synchronous=FULL`, mode 0600, in a 0700 home that belongs to the effective user.
Writers queue on an `flock` before `BEGIN IMMEDIATE`; readers never block. The database is only ever opened through
SQLite: another `open()`/`close()` of the file in this process would drop SQLite's POSIX locks.
"""
