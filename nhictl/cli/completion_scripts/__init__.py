"""Static completion scripts, one file a shell: what is typed at TAB is answered by the shell alone, in a millisecond.

Each shell's module has `script(program) -> str`. All of them read the same `Program`, taken from the command tree, so a
new verb or option completes as soon as the scripts are printed again; a test compares the committed ones.
"""
