"""The SQL of `jobs.tasks`: changes of tasks, requested runs, cancellation, idempotency keys."""
