-- A database of the service before Duetime, with rows of every kind that its columns allow.
CREATE TABLE tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(255) NOT NULL,
    trigger_type varchar(20) NOT NULL CHECK (trigger_type IN ('one-off', 'cron')),
    trigger_time timestamptz,
    cron_expr varchar(255),
    method varchar(10) NOT NULL,
    url text NOT NULL,
    headers jsonb,
    payload jsonb,
    status varchar(20) NOT NULL DEFAULT 'scheduled',
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    next_run timestamptz
);
CREATE TABLE task_results (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id uuid NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    run_at timestamptz NOT NULL,
    status_code int,
    success boolean,
    response_headers jsonb,
    response_body text,
    error_message text,
    duration_ms int,
    created_at timestamptz DEFAULT now()
);
CREATE INDEX idx_tasks_status ON tasks (status);
CREATE INDEX tasks_due_at ON tasks (next_run);
CREATE INDEX idx_task_results_task_id ON task_results (task_id);

INSERT INTO tasks (id, name, trigger_type, trigger_time, cron_expr, method, url, headers, payload, status, created_at,
                   updated_at, next_run) VALUES
('00000000-0000-4000-8000-000000000001', 'Daily Report', 'cron', NULL, '0 9 * * *', 'POST', 'http://localhost/post',
 '{"Content-Type": "application/json"}', '{"big": 123456789012345678901234567890, "exact": 1.10}', 'scheduled',
 '2024-01-02T03:04:05.678901Z', '2024-01-03T00:00:00Z', '2024-02-01T09:00:00Z'),
('00000000-0000-4000-8000-000000000002', 'Bare', 'cron', NULL, 'TZ=Europe/Berlin 30 6 * * 1-5', 'get',
 'http://localhost/', NULL, NULL, 'scheduled', NULL, NULL, NULL),
('00000000-0000-4000-8000-000000000003', 'Often', 'cron', NULL, '@every 1h30m', 'GET', 'http://localhost/', '{}',
 'null', 'scheduled', '2024-01-02T00:00:00Z', NULL, NULL),
('00000000-0000-4000-8000-000000000004', 'Once, to come', 'one-off', '2100-01-01T00:00:00Z', NULL, 'GET',
 'http://localhost/', NULL, NULL, 'scheduled', '2024-01-04T00:00:00Z', '2024-01-04T00:00:00Z', '2100-01-01T00:00:00Z'),
('00000000-0000-4000-8000-000000000005', 'Once, missed', 'one-off', '2024-01-05T00:00:00Z', NULL, 'GET',
 'TARGET/missed', NULL, NULL, 'scheduled', '2024-01-05T00:00:00Z', '2024-01-05T00:00:00Z', NULL),
('00000000-0000-4000-8000-000000000006', 'Once, done', 'one-off', '2024-01-06T00:00:00Z', NULL, 'GET',
 'http://localhost/', NULL, NULL, 'completed', '2024-01-06T00:00:00Z', '2024-01-06T00:00:00Z', NULL),
('00000000-0000-4000-8000-000000000007', 'Cancelled', 'cron', NULL, '* * * * *', 'GET', 'http://localhost/', NULL,
 '[1]', 'cancelled', '2024-01-07T00:00:00Z', '2024-01-07T00:00:00Z', '2024-01-07T00:00:00Z'),
('00000000-0000-4000-8000-000000000008', 'No expression', 'cron', NULL, NULL, 'GET', 'http://localhost/', NULL, NULL,
 'scheduled', '2024-01-08T00:00:00Z', '2024-01-08T00:00:00Z', NULL),
('00000000-0000-4000-8000-000000000009', 'No instant', 'one-off', NULL, NULL, 'GET', 'http://localhost/', NULL, NULL,
 'scheduled', '2024-01-09T00:00:00Z', '2024-01-09T00:00:00Z', NULL),
('00000000-0000-4000-8000-00000000000a', 'No HTTP', 'cron', NULL, '0 0 1 1 *', 'BREW', 'ftp://localhost/', '[1]', NULL,
 'lost', '2024-01-10T00:00:00Z', '2024-01-10T00:00:00Z', NULL);

INSERT INTO task_results (id, task_id, run_at, status_code, success, response_headers, response_body, error_message,
                          duration_ms, created_at) VALUES
('00000000-0000-4000-9000-000000000001', '00000000-0000-4000-8000-000000000001', '2024-01-31T09:00:00.25Z', 200, true,
 '{"Content-Type": "text/plain"}', 'ok', NULL, 41, '2024-01-31T09:00:00.3Z'),
('00000000-0000-4000-9000-000000000002', '00000000-0000-4000-8000-000000000001', '2024-02-01T09:00:00Z', NULL, false,
 NULL, NULL, 'connection refused', 3, '2024-02-01T09:00:01Z'),
('00000000-0000-4000-9000-000000000003', '00000000-0000-4000-8000-000000000006', '2024-01-06T00:00:00Z', NULL, NULL,
 'null', '', NULL, NULL, NULL);
