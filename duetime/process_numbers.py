"""How many processes one command runs."""

MOST_PROCESSES = 64
PROCESSES = f"a whole number from 1 to {MOST_PROCESSES}"
