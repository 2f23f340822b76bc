"""The record of an ended attempt, as `task_results.attempts` stores it.

An attempt with a call may also have these members: `response_error` (text), `headers_truncated` and `resent` (true),
and `redirects` (a list of status, URL and method).
"""


def ended_attempt(
    *,
    started_at: str,
    finished_at: str,
    number: str = "r.attempt",
    duration_ms: str = "NULL",
    status_code: str = "NULL",
    error_message: str = "NULL",
    next_attempt_at: str = "NULL",
) -> str:
    """Return the expression of the record. The arguments are expressions of the statement, never input."""
    return f"""jsonb_build_object(
            'number', {number}, 'started_at', {started_at}, 'finished_at', {finished_at}, 'duration_ms', {duration_ms},
            'status_code', {status_code}, 'error_message', {error_message}, 'next_attempt_at', {next_attempt_at})"""
