"""The commands that talk to a running Duetime from any machine, only through its GraphQL API.

Servers import only this list from the package, and the package imports nothing of the servers.
"""

CLIENT_COMMANDS = {
    "login": "store the address and the key of a Duetime",
    "tasks": "list, show, create and change tasks",
    "runs": "list, show, watch, retry and cancel runs",
    "try": "make one call now, and show its result",
    "stats": "show how runs ended, per minute, hour or day",
    "forecast": "show how many calls are due, per minute, hour or day",
    "apply": "make tasks match files",
    "diff": "show what apply would change",
    "export": "print tasks as a file for apply",
    "import": "convert schedules of cron, Hasura, Kubernetes, Vercel or EventBridge into a file for apply",
    "completion": "print a script that completes commands in bash, zsh or fish",
}
"""The commands, and their help."""
