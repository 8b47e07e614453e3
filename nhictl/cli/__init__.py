"""The command line: one verb a file, one folder a noun. Parse, call one operation, hand back a `Result`. Nothing else.

Commands, options, JSON and exit statuses are those of the interface contract. A verb's module is imported only when
that verb is called, so that start-up stays short.
"""
