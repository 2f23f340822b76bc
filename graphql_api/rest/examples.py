"""Examples for the OpenAPI document."""

from typing import Any

TASK_ID = "3f1e6c1e-6f0a-4b43-9d2e-0a8f2d1c5b77"
RUN_ID = "01938f2a-5c00-8f3e-b1d4-6a90c2e7f518"

ONE_OFF: dict[str, Any] = {
    "name": "Website Health Check",
    "trigger": {"type": "one-off", "datetime": "2100-01-31T09:00:00Z"},
    "action": {"method": "GET", "url": "https://example.com/get", "headers": {"User-Agent": "TaskScheduler/1.0"}},
}
CRON: dict[str, Any] = {
    "name": "Daily Report",
    "trigger": {"type": "cron", "cron": "0 9 * * *"},
    "action": {
        "method": "POST",
        "url": "https://example.com/post",
        "headers": {"Content-Type": "application/json"},
        "payload": {"report_type": "daily"},
    },
}
UPDATE: dict[str, Any] = {"name": "Earlier", "trigger": {"type": "cron", "cron": "30 6 * * *"}}
TASK: dict[str, Any] = {
    "id": TASK_ID,
    "name": "Daily Report",
    "trigger_type": "cron",
    "method": "POST",
    "url": "https://example.com/post",
    "status": "scheduled",
    "state": "scheduled",
    "created_at": "2029-12-31T10:00:00.123456Z",
    "updated_at": "2029-12-31T10:00:00.123456Z",
    "cron_expr": "0 9 * * *",
    "headers": {"Content-Type": "application/json"},
    "payload": '{"report_type": "daily"}',
    "next_run": "2030-01-01T09:00:00Z",
}
RUN: dict[str, Any] = {
    "id": RUN_ID,
    "task_id": TASK_ID,
    "state": "succeeded",
    "cause": "schedule",
    "scheduled_for": "2030-01-01T09:00:00Z",
    "run_at": "2030-01-01T09:00:00.001342Z",
    "attempt": 1,
    "status_code": 200,
    "success": True,
    "duration_ms": 41,
    "created_at": "2030-01-01T09:00:00.043117Z",
    "task": TASK,
    "finished_at": "2030-01-01T09:00:00.043117Z",
    "response_headers": {"Content-Type": "text/plain"},
    "response_body": "ok",
}
RESULT = {
    name: value
    for name, value in RUN.items()
    if name not in {"state", "cause", "scheduled_for", "attempt", "finished_at"}
}
PREVIEW_REQUEST: dict[str, Any] = {
    "trigger": {"type": "cron", "cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
    "count": 2,
    "after": "2100-01-01T00:00:00Z",
}
PREVIEW: dict[str, Any] = {
    "instants": ["2100-01-01T08:00:00Z", "2100-01-04T08:00:00Z"],
    "description": "At 09:00, Monday through Friday (Europe/Berlin)",
}
METRICS = {
    "total_tasks_executed": 1_000,
    "successful_tasks": 990,
    "failed_tasks": 10,
    "success_rate_percent": 99.0,
    "average_execution_ms": 41,
    "tasks_per_minute": 12.0,
}
HEALTH = {
    "status": "healthy",
    "postgres": "healthy",
    "redis": "healthy",
    "workers": 1,
    "last_sweep_age_ms": 412,
    "oldest_due_age_ms": None,
    "oldest_due_task": None,
}
METRICS_TEXT = """# HELP duetime_runs_total Runs that have ended after an attempt.
# TYPE duetime_runs_total counter
duetime_runs_total{outcome="succeeded"} 990.0
duetime_runs_total{outcome="failed"} 10.0
"""
