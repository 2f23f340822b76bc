"""The commands that talk to a running Duetime, from anywhere, through its GraphQL API alone.

Servers import nothing of this package but this list, and this package imports nothing of theirs.
"""

CLIENT_COMMANDS = {
    "login": "store the address of a Duetime and a key as a profile",
    "tasks": "list, show, create and change tasks",
    "runs": "list, show, watch, retry and cancel runs",
    "completion": "print a script with which bash, zsh or fish completes commands",
}
"""The commands, and their help."""
