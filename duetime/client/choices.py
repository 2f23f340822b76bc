"""The values of the API's enumerations, so that a wrong one is answered with the right ones."""

TASK_STATUSES = ("SCHEDULED", "PAUSED", "COMPLETED", "CANCELLED")
RUN_STATES = ("QUEUED", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED", "CANCELLED", "SKIPPED", "MISSED", "UNKNOWN")
RUN_CAUSES = ("SCHEDULE", "MANUAL", "RETRY")
TASK_ORDERS = ("CREATED_AT_DESC", "CREATED_AT_ASC", "NEXT_RUN_AT_ASC", "NAME_ASC")
OVERLAP_POLICIES = ("ALLOW", "SKIP", "QUEUE")
MISFIRE_POLICIES = ("LATEST", "SKIP", "ALL")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
BUCKETS = ("MINUTE", "HOUR", "DAY")


def one_of(text: str, known: tuple[str, ...]) -> str:
    """Return a value as the API writes it. Raises `ValueError` for one that does not exist."""
    if text.upper() not in known:
        raise ValueError(f"{text!r} must be one of {', '.join(known)}")
    return text.upper()
