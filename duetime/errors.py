"""What ends the command with one line on stderr and exit status 1, and never with a traceback."""


class CannotStart(Exception):
    """The message is the line: what is wrong, and what would be right."""
