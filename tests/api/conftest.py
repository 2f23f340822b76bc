"""Fixtures of the API's tests."""

from tests.support.shared import (
    api,
    database,
    fresh_api,
    fresh_database,
    jobs_settings,
    redis_url,
    shared,
    shared_api,
    shared_database,
    worker,
)

__all__ = [
    "api",
    "database",
    "fresh_api",
    "fresh_database",
    "jobs_settings",
    "redis_url",
    "shared",
    "shared_api",
    "shared_database",
    "worker",
]
