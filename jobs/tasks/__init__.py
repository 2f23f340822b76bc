"""The use cases: create, change and delete tasks, and request runs; each in one transaction with its audit entry."""
