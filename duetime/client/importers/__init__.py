"""Reads the schedules of other programs. Each importer is a function from a text to tasks, and what it cannot take."""
