"""Notifies people and programs of what happens to tasks: rules evaluate run events, and channels deliver the
messages."""
