"""The events of runs and the changes of tasks, read once per process for all its subscribers."""
