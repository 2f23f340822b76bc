"""Tells people and programs what happens to tasks: rules judge run events, and channels deliver the messages."""
