"""The definition of a task that was never changed, as those who keep definitions and those who read them need it."""

ORIGIN = """
SELECT t.id AS task_id,
       CASE WHEN origin.before IS NULL AND origin.at IS NOT NULL THEN 1 ELSE t.version END AS version,
       CASE WHEN t.version = 1 OR (origin.before IS NULL AND origin.at IS NOT NULL) THEN t.created_at
            ELSE coalesce(origin.at, t.updated_at) END AS at,
       origin.key_name AS actor, {columns}
FROM tasks t
LEFT JOIN LATERAL (
    SELECT a.at, a.key_name, a.before FROM audit_log a
    WHERE a.task_id = t.id AND a.action IN ('createTask', 'upsertTask', 'updateTask')
    ORDER BY a.at DESC, a.id DESC LIMIT 1
) origin ON true
WHERE t.id = :task_id
"""
"""The present definition of a task of which none is kept; the audit log knows who made it, and when."""
