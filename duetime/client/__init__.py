"""The commands that talk to a running Duetime, from anywhere, through its GraphQL API alone.

Servers import nothing of this package but this list, and this package imports nothing of theirs.
"""

CLIENT_COMMANDS = {
    "login": "store the address of a Duetime and a key as a profile",
    "tasks": "list, show, create and change tasks",
    "runs": "list, show, watch, retry and cancel runs",
    "try": "make one call now, and show how it ended",
    "stats": "show how runs ended, in buckets of time",
    "forecast": "show how many calls are due",
    "apply": "bring tasks to what files say",
    "diff": "show what apply would do",
    "export": "write tasks as files that apply reads",
    "import": "print the schedules of cron, Hasura, Kubernetes, Vercel or EventBridge for apply",
    "completion": "print a script with which bash, zsh or fish completes commands",
}
"""The commands, and their help."""
