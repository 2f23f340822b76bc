"""The error that ends a command with one line on stderr and exit status 1, without a traceback."""


class CannotStart(Exception):
    """A command cannot start. The message is the line: what is wrong, and how to fix it."""
