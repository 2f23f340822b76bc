"""The shapes of this API as JSON Schema, for its OpenAPI document. Bounds come from the code that checks them."""

from typing import Any

from db.states import LostPolicy, MisfirePolicy, OverlapPolicy, TaskStatus
from graphql_api import instants
from graphql_api.rest.listing import MAX_LIMIT, STATUSES
from jobs import json_value
from jobs.http.request import (
    MAX_HEADERS,
    MAX_PAYLOAD_BYTES,
    MAX_REDIRECTS,
    MAX_TIMEOUT_MS,
    MAX_URL_LENGTH,
    TOKEN,
    HttpMethod,
)
from jobs.retry import MAX_ATTEMPTS, MAX_DELAY_MS, MAX_FACTOR
from jobs.tasks.draft import MAX_NAME_LENGTH, MAX_TAG_LENGTH, MAX_TAGS

Schema = dict[str, Any]

PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"
NAMED = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
HEADER_VALUE = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
TASK_ID = "3f1e6c1e-6f0a-4b43-9d2e-0a8f2d1c5b77"
RUN_ID = "01938f2a-5c00-8f3e-b1d4-6a90c2e7f518"


def text(words: str, **more: Any) -> Schema:
    """A string, described."""
    return {"type": "string", "description": words, **more}


def whole(words: str, minimum: int, maximum: int | None = None, **more: Any) -> Schema:
    """A whole number within bounds, described."""
    bounds = {"minimum": minimum} | ({} if maximum is None else {"maximum": maximum})
    return {"type": "integer", "description": words, **bounds, **more}


def instant(words: str) -> Schema:
    """An instant, described."""
    return text(words, format="date-time", examples=[instants.EXAMPLE])


def nullable(schema: Schema) -> Schema:
    """The same, where null counts as absent."""
    if "$ref" in schema or "format" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    found = schema | {"type": [schema["type"], "null"]}
    return found | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})


def ref(name: str) -> Schema:
    """One of the shapes below."""
    return {"$ref": f"#/components/schemas/{name}"}


def thing(words: str, members: dict[str, Schema], required: list[str], **more: Any) -> Schema:
    """An object, described. Members that are not listed are ignored in requests."""
    return {"type": "object", "description": words, "properties": members, "required": required, **more}


def words_of(values: Any, words: str, default: str) -> Schema:
    """One of a policy's words."""
    return text(words, enum=[str(value) for value in values], default=default)


TASK_INPUT: dict[str, Schema] = {
    "name": text("What people call the task.", pattern=NAMED, minLength=1, maxLength=MAX_NAME_LENGTH),
    "trigger": ref("TriggerInput"),
    "action": ref("ActionInput"),
}
ADDED: dict[str, Schema] = {
    "retry": nullable(ref("RetryInput")),
    "overlap": nullable(
        words_of(OverlapPolicy, "What a due task does while an earlier run of it is unfinished.", "skip")
    ),
    "misfire": nullable(words_of(MisfirePolicy, "What becomes of instants that were missed.", "latest")),
    "on_lost": nullable(words_of(LostPolicy, "What becomes of an attempt whose worker was lost.", "retry")),
    "tags": {
        "type": ["array", "null"],
        "description": "For finding it.",
        "items": {"type": "string", "pattern": PRINTABLE, "minLength": 1, "maxLength": MAX_TAG_LENGTH},
        "maxItems": MAX_TAGS,
        "uniqueItems": True,
    },
}

ONE_OFF_EXAMPLE = {
    "name": "Website Health Check",
    "trigger": {"type": "one-off", "datetime": "2100-01-31T09:00:00Z"},
    "action": {"method": "GET", "url": "https://example.com/get", "headers": {"User-Agent": "TaskScheduler/1.0"}},
}
CRON_EXAMPLE = {
    "name": "Daily Report",
    "trigger": {"type": "cron", "cron": "0 9 * * *"},
    "action": {
        "method": "POST",
        "url": "https://example.com/post",
        "headers": {"Content-Type": "application/json"},
        "payload": {"report_type": "daily"},
    },
}
TASK_EXAMPLE = {
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
RESULT_EXAMPLE = {
    "id": RUN_ID,
    "task_id": TASK_ID,
    "run_at": "2030-01-01T09:00:00.001342Z",
    "status_code": 200,
    "success": True,
    "duration_ms": 41,
    "created_at": "2030-01-01T09:00:00.001342Z",
    "task": TASK_EXAMPLE,
    "response_headers": {"Content-Type": "text/plain"},
    "response_body": "ok",
}
METRICS_EXAMPLE = {
    "total_tasks_executed": 1_000,
    "successful_tasks": 990,
    "failed_tasks": 10,
    "success_rate_percent": 99.0,
    "average_execution_ms": 41.5,
    "tasks_per_minute": 12,
}
HEALTH_EXAMPLE = {
    "status": "healthy",
    "postgres": "healthy",
    "redis": "healthy",
    "workers": 1,
    "last_sweep_age_ms": 412,
    "oldest_due_task": None,
}

PAGINATION = thing(
    "Where a page lies in its list.",
    {
        "page": whole("The page's number.", 1),
        "limit": whole("How many a page has at most.", 1, MAX_LIMIT),
        "total": whole("How many there are in all.", 0),
        "total_pages": whole("How many pages that makes; 0 for an empty list.", 0),
    },
    ["page", "limit", "total", "total_pages"],
)

SCHEMAS: dict[str, Schema] = {
    "Error": thing("Why a request was refused.", {"error": text("The reason.")}, ["error"], additionalProperties=False),
    "Message": thing("What was done.", {"message": text("In words.")}, ["message"]),
    "TriggerInput": {
        "description": "When the task is due.",
        "oneOf": [ref("OneOffTrigger"), ref("CronTrigger")],
        "discriminator": {
            "propertyName": "type",
            "mapping": {
                "one-off": "#/components/schemas/OneOffTrigger",
                "cron": "#/components/schemas/CronTrigger",
            },
        },
    },
    "OneOffTrigger": thing(
        "Once.",
        {"type": {"const": "one-off"}, "datetime": instant("An instant in the future, with an offset.")},
        ["type", "datetime"],
    ),
    "CronTrigger": thing(
        "By a cron expression.",
        {
            "type": {"const": "cron"},
            "cron": text(
                "Five fields, or a macro such as @daily. It may begin with `TZ=<zone> ` or `CRON_TZ=<zone> `, and may "
                "be `@every <duration>`, such as `@every 1h30m`.",
                format="cron",
                examples=["0 9 * * *", "@every 10s"],
            ),
            "timezone": nullable(text("An IANA time zone; UTC by default.", format="timezone")),
        },
        ["type", "cron"],
    ),
    "ActionInput": thing(
        "What the task calls.",
        {
            "method": text("In any case.", enum=[str(method) for method in HttpMethod]),
            "url": text(
                "http or https, to a target that the service may call.", format="uri", maxLength=MAX_URL_LENGTH
            ),
            "headers": {
                "type": ["object", "null"],
                "description": "Each name once, whatever its case, and none that the connection needs, such as Host.",
                "propertyNames": {"type": "string", "pattern": f"^{TOKEN.pattern}$"},
                "additionalProperties": {"type": "string", "pattern": HEADER_VALUE},
                "maxProperties": MAX_HEADERS,
            },
            "payload": {
                "description": f"Any JSON, at most {MAX_PAYLOAD_BYTES:,} bytes and {json_value.MAX_DEPTH} levels of "
                "it; null means none. Integers keep every digit."
            },
            "timeout_ms": nullable(whole("Of one attempt.", 1, MAX_TIMEOUT_MS, default=30_000)),
            "redirects": nullable(whole("How many are followed.", 0, MAX_REDIRECTS, default=MAX_REDIRECTS)),
        },
        ["method", "url"],
    ),
    "RetryInput": thing(
        "How failed attempts are repeated: after initial_delay_ms, growing by factor, at most after max_delay_ms.",
        {
            "max_attempts": nullable(whole("The first one included.", 1, MAX_ATTEMPTS, default=3)),
            "initial_delay_ms": nullable(whole("Before the second.", 0, MAX_DELAY_MS, default=5_000)),
            "factor": {
                "type": ["number", "null"],
                "description": "How fast the delay grows.",
                "minimum": 1,
                "maximum": MAX_FACTOR,
                "default": 2,
            },
            "max_delay_ms": nullable(whole("The longest delay.", 0, MAX_DELAY_MS, default=300_000)),
        },
        [],
    ),
    "NewTask": thing("A task to make.", TASK_INPUT | ADDED, ["name", "trigger", "action"]),
    "TaskChanges": thing(
        "What to change. Null counts as absent, and what is absent stays; a trigger or an action replaces the old one "
        "whole.",
        {name: nullable(schema) for name, schema in TASK_INPUT.items()} | ADDED,
        [],
    ),
    "Task": thing(
        "A task. What is empty is left out.",
        {
            "id": text("Its id.", format="uuid"),
            "name": text("What people call it."),
            "trigger_type": text("An interval counts as cron.", enum=["one-off", "cron"]),
            "trigger_time": instant("When a one-off is due."),
            "cron_expr": text("In a form that can be sent back; `@every <duration>` for an interval."),
            "method": text("The HTTP method."),
            "url": text("Where the call goes."),
            "headers": {"type": "object", "additionalProperties": {"type": "string"}, "description": "What it sends."},
            "payload": text("The JSON text of what it sends."),
            "status": text("In the old service's words.", enum=list(STATUSES)),
            "state": text("Exactly.", enum=[str(status) for status in TaskStatus]),
            "created_at": instant("When it was made."),
            "updated_at": instant("When it was last changed."),
            "next_run": instant("When it is due next."),
        },
        ["id", "name", "trigger_type", "method", "url", "status", "state", "created_at", "updated_at"],
        examples=[TASK_EXAMPLE],
    ),
    "Result": thing(
        "What came of a run that began an attempt, after its last one. What is empty is left out.",
        {
            "id": text("The run's id; its attempts carried it as Idempotency-Key.", format="uuid"),
            "task_id": text("The task's id.", format="uuid"),
            "run_at": instant("When its first attempt began."),
            "status_code": {"type": ["integer", "null"], "description": "Null when no response came."},
            "success": {"type": "boolean", "description": "Whether the last attempt was answered by a 2xx."},
            "duration_ms": {"type": ["integer", "null"], "description": "Of the last attempt; null when it was lost."},
            "created_at": instant("When the run was made."),
            "task": ref("Task"),
            "response_headers": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "What a name has more than once is joined by commas.",
            },
            "response_body": text("Its first 10,000 bytes; one that was cut ends in `... (truncated)`."),
            "error_message": text("Why it failed."),
        },
        ["id", "task_id", "run_at", "status_code", "success", "duration_ms", "created_at", "task"],
        examples=[RESULT_EXAMPLE],
    ),
    "Pagination": PAGINATION,
    "TaskList": thing(
        "A page of tasks.",
        {"tasks": {"type": "array", "items": ref("Task")}, "pagination": ref("Pagination")},
        ["tasks", "pagination"],
    ),
    "ResultList": thing(
        "A page of results.",
        {"results": {"type": "array", "items": ref("Result")}, "pagination": ref("Pagination")},
        ["results", "pagination"],
    ),
    "Metrics": thing(
        "What has been counted ever since the first run.",
        {
            "total_tasks_executed": whole("Runs that have ended after an attempt.", 0),
            "successful_tasks": whole("Those that succeeded.", 0),
            "failed_tasks": whole("All others.", 0),
            "success_rate_percent": {"type": "number", "minimum": 0, "maximum": 100, "description": "0 without any."},
            "average_execution_ms": {"type": "number", "minimum": 0, "description": "Of last attempts; 0 without any."},
            "tasks_per_minute": {"type": "number", "minimum": 0, "description": "How many ended in the last minute."},
        },
        list(METRICS_EXAMPLE),
    ),
    "Health": thing(
        "Whether the service can work.",
        {
            "status": text("healthy when both servers can be reached.", enum=["healthy", "unhealthy"]),
            "postgres": text("Asked just now.", enum=["healthy", "unreachable"]),
            "redis": text("Asked just now.", enum=["healthy", "unreachable"]),
            "workers": whole("Workers that are alive.", 0),
            "last_sweep_age_ms": nullable(whole("What has passed since a sweep came to its end; null before any.", 0)),
            "oldest_due_task": {
                "type": ["object", "null"],
                "description": "The task that has been due for longest and was not claimed; null when there is none.",
                "properties": {"id": text("Its id.", format="uuid"), "due_at": instant("Since when.")},
                "required": ["id", "due_at"],
            },
        },
        ["status", "postgres", "redis"],
    ),
    "Alive": thing("This process answers.", {"status": {"const": "alive"}}, ["status"]),
}
