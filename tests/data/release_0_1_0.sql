-- A database of release 0.1.0, as pg_dump writes it. TARGET and HOST stand for the URL and the host of a target.
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE FUNCTION public.refuse_arrow() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'a run cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
END $$;
CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.api_keys (
    id uuid NOT NULL,
    name text NOT NULL,
    scope character varying(20) NOT NULL,
    token_sha256 bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT scope_known CHECK (((scope)::text = ANY ((ARRAY['read'::character varying, 'write'::character varying, 'admin'::character varying])::text[])))
);
CREATE TABLE public.audit_log (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    key_id uuid,
    key_name text NOT NULL,
    action text NOT NULL,
    task_id uuid,
    run_id uuid,
    before jsonb,
    after jsonb,
    CONSTRAINT action_short CHECK ((octet_length(action) <= 40))
);
CREATE SEQUENCE public.audit_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.audit_log_id_seq OWNED BY public.audit_log.id;
CREATE TABLE public.idempotency_keys (
    scope text NOT NULL,
    key text NOT NULL,
    task_id uuid NOT NULL,
    run_id uuid,
    fingerprint text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.last_sweep (
    one boolean DEFAULT true NOT NULL,
    at timestamp with time zone,
    CONSTRAINT only_one CHECK (one)
);
CREATE TABLE public.run_event_counter (
    one boolean DEFAULT true NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    CONSTRAINT only_one CHECK (one)
);
CREATE TABLE public.run_events (
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    type character varying(20) NOT NULL,
    task_id uuid NOT NULL,
    run_id uuid NOT NULL,
    state character varying(20) NOT NULL,
    attempt integer NOT NULL,
    status_code integer,
    error_message text,
    duration_ms bigint,
    CONSTRAINT state_known CHECK (((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying, 'succeeded'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[]))),
    CONSTRAINT type_known CHECK (((type)::text = ANY ((ARRAY['queued'::character varying, 'started'::character varying, 'attempt_failed'::character varying, 'attempt_lost'::character varying, 'succeeded'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[])))
);
CREATE TABLE public.run_rollups (
    minute timestamp with time zone NOT NULL,
    worker_id uuid NOT NULL,
    succeeded bigint NOT NULL,
    failed bigint NOT NULL,
    timed bigint NOT NULL,
    duration_ms bigint NOT NULL,
    lateness_us bigint NOT NULL,
    lateness bigint[] NOT NULL,
    per_second integer[] NOT NULL
);
CREATE TABLE public.task_results (
    id uuid NOT NULL,
    task_id uuid NOT NULL,
    task_version integer DEFAULT 1 NOT NULL,
    cause character varying(20) DEFAULT 'schedule'::character varying NOT NULL,
    state character varying(20) NOT NULL,
    scheduled_for timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    missed_count bigint DEFAULT 0 NOT NULL,
    missed_since timestamp with time zone,
    worker_id uuid,
    epoch integer DEFAULT 0 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    attempt_started_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    attempts jsonb DEFAULT '[]'::jsonb NOT NULL,
    run_at timestamp with time zone,
    finished_at timestamp with time zone,
    status_code integer,
    success boolean,
    response_headers jsonb,
    response_body text,
    body_encoding character varying(20) DEFAULT 'utf8'::character varying NOT NULL,
    body_truncated boolean DEFAULT false NOT NULL,
    error_message text,
    duration_ms bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    host text DEFAULT ''::text NOT NULL,
    retry_of uuid,
    CONSTRAINT body_encoding_known CHECK (((body_encoding)::text = ANY ((ARRAY['utf8'::character varying, 'base64'::character varying])::text[]))),
    CONSTRAINT cause_known CHECK (((cause)::text = ANY ((ARRAY['schedule'::character varying, 'manual'::character varying, 'retry'::character varying])::text[]))),
    CONSTRAINT finished_when_final CHECK (((finished_at IS NULL) = ((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT next_attempt_only_when_waiting CHECK (((next_attempt_at IS NULL) OR ((state)::text = ANY ((ARRAY['queued'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT retrying_has_next_attempt CHECK ((((state)::text <> 'retrying'::text) OR (next_attempt_at IS NOT NULL))),
    CONSTRAINT running_has_worker CHECK (((worker_id IS NOT NULL) = ((state)::text = 'running'::text))),
    CONSTRAINT state_known CHECK (((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying, 'succeeded'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[])))
)
PARTITION BY RANGE (id);
CREATE TABLE public.task_results_20261128 (
    id uuid CONSTRAINT task_results_id_not_null NOT NULL,
    task_id uuid CONSTRAINT task_results_task_id_not_null NOT NULL,
    task_version integer DEFAULT 1 CONSTRAINT task_results_task_version_not_null NOT NULL,
    cause character varying(20) DEFAULT 'schedule'::character varying CONSTRAINT task_results_cause_not_null NOT NULL,
    state character varying(20) CONSTRAINT task_results_state_not_null NOT NULL,
    scheduled_for timestamp with time zone CONSTRAINT task_results_scheduled_for_not_null NOT NULL,
    due_at timestamp with time zone CONSTRAINT task_results_due_at_not_null NOT NULL,
    missed_count bigint DEFAULT 0 CONSTRAINT task_results_missed_count_not_null NOT NULL,
    missed_since timestamp with time zone,
    worker_id uuid,
    epoch integer DEFAULT 0 CONSTRAINT task_results_epoch_not_null NOT NULL,
    attempt integer DEFAULT 0 CONSTRAINT task_results_attempt_not_null NOT NULL,
    attempt_started_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    attempts jsonb DEFAULT '[]'::jsonb CONSTRAINT task_results_attempts_not_null NOT NULL,
    run_at timestamp with time zone,
    finished_at timestamp with time zone,
    status_code integer,
    success boolean,
    response_headers jsonb,
    response_body text,
    body_encoding character varying(20) DEFAULT 'utf8'::character varying CONSTRAINT task_results_body_encoding_not_null NOT NULL,
    body_truncated boolean DEFAULT false CONSTRAINT task_results_body_truncated_not_null NOT NULL,
    error_message text,
    duration_ms bigint,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT task_results_created_at_not_null NOT NULL,
    host text DEFAULT ''::text CONSTRAINT task_results_host_not_null NOT NULL,
    retry_of uuid,
    CONSTRAINT body_encoding_known CHECK (((body_encoding)::text = ANY ((ARRAY['utf8'::character varying, 'base64'::character varying])::text[]))),
    CONSTRAINT cause_known CHECK (((cause)::text = ANY ((ARRAY['schedule'::character varying, 'manual'::character varying, 'retry'::character varying])::text[]))),
    CONSTRAINT finished_when_final CHECK (((finished_at IS NULL) = ((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT next_attempt_only_when_waiting CHECK (((next_attempt_at IS NULL) OR ((state)::text = ANY ((ARRAY['queued'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT retrying_has_next_attempt CHECK ((((state)::text <> 'retrying'::text) OR (next_attempt_at IS NOT NULL))),
    CONSTRAINT running_has_worker CHECK (((worker_id IS NOT NULL) = ((state)::text = 'running'::text))),
    CONSTRAINT state_known CHECK (((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying, 'succeeded'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[])))
);
CREATE TABLE public.task_results_20261129 (
    id uuid CONSTRAINT task_results_id_not_null NOT NULL,
    task_id uuid CONSTRAINT task_results_task_id_not_null NOT NULL,
    task_version integer DEFAULT 1 CONSTRAINT task_results_task_version_not_null NOT NULL,
    cause character varying(20) DEFAULT 'schedule'::character varying CONSTRAINT task_results_cause_not_null NOT NULL,
    state character varying(20) CONSTRAINT task_results_state_not_null NOT NULL,
    scheduled_for timestamp with time zone CONSTRAINT task_results_scheduled_for_not_null NOT NULL,
    due_at timestamp with time zone CONSTRAINT task_results_due_at_not_null NOT NULL,
    missed_count bigint DEFAULT 0 CONSTRAINT task_results_missed_count_not_null NOT NULL,
    missed_since timestamp with time zone,
    worker_id uuid,
    epoch integer DEFAULT 0 CONSTRAINT task_results_epoch_not_null NOT NULL,
    attempt integer DEFAULT 0 CONSTRAINT task_results_attempt_not_null NOT NULL,
    attempt_started_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    attempts jsonb DEFAULT '[]'::jsonb CONSTRAINT task_results_attempts_not_null NOT NULL,
    run_at timestamp with time zone,
    finished_at timestamp with time zone,
    status_code integer,
    success boolean,
    response_headers jsonb,
    response_body text,
    body_encoding character varying(20) DEFAULT 'utf8'::character varying CONSTRAINT task_results_body_encoding_not_null NOT NULL,
    body_truncated boolean DEFAULT false CONSTRAINT task_results_body_truncated_not_null NOT NULL,
    error_message text,
    duration_ms bigint,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT task_results_created_at_not_null NOT NULL,
    host text DEFAULT ''::text CONSTRAINT task_results_host_not_null NOT NULL,
    retry_of uuid,
    CONSTRAINT body_encoding_known CHECK (((body_encoding)::text = ANY ((ARRAY['utf8'::character varying, 'base64'::character varying])::text[]))),
    CONSTRAINT cause_known CHECK (((cause)::text = ANY ((ARRAY['schedule'::character varying, 'manual'::character varying, 'retry'::character varying])::text[]))),
    CONSTRAINT finished_when_final CHECK (((finished_at IS NULL) = ((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT next_attempt_only_when_waiting CHECK (((next_attempt_at IS NULL) OR ((state)::text = ANY ((ARRAY['queued'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT retrying_has_next_attempt CHECK ((((state)::text <> 'retrying'::text) OR (next_attempt_at IS NOT NULL))),
    CONSTRAINT running_has_worker CHECK (((worker_id IS NOT NULL) = ((state)::text = 'running'::text))),
    CONSTRAINT state_known CHECK (((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying, 'succeeded'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[])))
);
CREATE TABLE public.task_results_20261130 (
    id uuid CONSTRAINT task_results_id_not_null NOT NULL,
    task_id uuid CONSTRAINT task_results_task_id_not_null NOT NULL,
    task_version integer DEFAULT 1 CONSTRAINT task_results_task_version_not_null NOT NULL,
    cause character varying(20) DEFAULT 'schedule'::character varying CONSTRAINT task_results_cause_not_null NOT NULL,
    state character varying(20) CONSTRAINT task_results_state_not_null NOT NULL,
    scheduled_for timestamp with time zone CONSTRAINT task_results_scheduled_for_not_null NOT NULL,
    due_at timestamp with time zone CONSTRAINT task_results_due_at_not_null NOT NULL,
    missed_count bigint DEFAULT 0 CONSTRAINT task_results_missed_count_not_null NOT NULL,
    missed_since timestamp with time zone,
    worker_id uuid,
    epoch integer DEFAULT 0 CONSTRAINT task_results_epoch_not_null NOT NULL,
    attempt integer DEFAULT 0 CONSTRAINT task_results_attempt_not_null NOT NULL,
    attempt_started_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    attempts jsonb DEFAULT '[]'::jsonb CONSTRAINT task_results_attempts_not_null NOT NULL,
    run_at timestamp with time zone,
    finished_at timestamp with time zone,
    status_code integer,
    success boolean,
    response_headers jsonb,
    response_body text,
    body_encoding character varying(20) DEFAULT 'utf8'::character varying CONSTRAINT task_results_body_encoding_not_null NOT NULL,
    body_truncated boolean DEFAULT false CONSTRAINT task_results_body_truncated_not_null NOT NULL,
    error_message text,
    duration_ms bigint,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT task_results_created_at_not_null NOT NULL,
    host text DEFAULT ''::text CONSTRAINT task_results_host_not_null NOT NULL,
    retry_of uuid,
    CONSTRAINT body_encoding_known CHECK (((body_encoding)::text = ANY ((ARRAY['utf8'::character varying, 'base64'::character varying])::text[]))),
    CONSTRAINT cause_known CHECK (((cause)::text = ANY ((ARRAY['schedule'::character varying, 'manual'::character varying, 'retry'::character varying])::text[]))),
    CONSTRAINT finished_when_final CHECK (((finished_at IS NULL) = ((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT next_attempt_only_when_waiting CHECK (((next_attempt_at IS NULL) OR ((state)::text = ANY ((ARRAY['queued'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT retrying_has_next_attempt CHECK ((((state)::text <> 'retrying'::text) OR (next_attempt_at IS NOT NULL))),
    CONSTRAINT running_has_worker CHECK (((worker_id IS NOT NULL) = ((state)::text = 'running'::text))),
    CONSTRAINT state_known CHECK (((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying, 'succeeded'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[])))
);
CREATE TABLE public.task_results_20261201 (
    id uuid CONSTRAINT task_results_id_not_null NOT NULL,
    task_id uuid CONSTRAINT task_results_task_id_not_null NOT NULL,
    task_version integer DEFAULT 1 CONSTRAINT task_results_task_version_not_null NOT NULL,
    cause character varying(20) DEFAULT 'schedule'::character varying CONSTRAINT task_results_cause_not_null NOT NULL,
    state character varying(20) CONSTRAINT task_results_state_not_null NOT NULL,
    scheduled_for timestamp with time zone CONSTRAINT task_results_scheduled_for_not_null NOT NULL,
    due_at timestamp with time zone CONSTRAINT task_results_due_at_not_null NOT NULL,
    missed_count bigint DEFAULT 0 CONSTRAINT task_results_missed_count_not_null NOT NULL,
    missed_since timestamp with time zone,
    worker_id uuid,
    epoch integer DEFAULT 0 CONSTRAINT task_results_epoch_not_null NOT NULL,
    attempt integer DEFAULT 0 CONSTRAINT task_results_attempt_not_null NOT NULL,
    attempt_started_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    attempts jsonb DEFAULT '[]'::jsonb CONSTRAINT task_results_attempts_not_null NOT NULL,
    run_at timestamp with time zone,
    finished_at timestamp with time zone,
    status_code integer,
    success boolean,
    response_headers jsonb,
    response_body text,
    body_encoding character varying(20) DEFAULT 'utf8'::character varying CONSTRAINT task_results_body_encoding_not_null NOT NULL,
    body_truncated boolean DEFAULT false CONSTRAINT task_results_body_truncated_not_null NOT NULL,
    error_message text,
    duration_ms bigint,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT task_results_created_at_not_null NOT NULL,
    host text DEFAULT ''::text CONSTRAINT task_results_host_not_null NOT NULL,
    retry_of uuid,
    CONSTRAINT body_encoding_known CHECK (((body_encoding)::text = ANY ((ARRAY['utf8'::character varying, 'base64'::character varying])::text[]))),
    CONSTRAINT cause_known CHECK (((cause)::text = ANY ((ARRAY['schedule'::character varying, 'manual'::character varying, 'retry'::character varying])::text[]))),
    CONSTRAINT finished_when_final CHECK (((finished_at IS NULL) = ((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT next_attempt_only_when_waiting CHECK (((next_attempt_at IS NULL) OR ((state)::text = ANY ((ARRAY['queued'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT retrying_has_next_attempt CHECK ((((state)::text <> 'retrying'::text) OR (next_attempt_at IS NOT NULL))),
    CONSTRAINT running_has_worker CHECK (((worker_id IS NOT NULL) = ((state)::text = 'running'::text))),
    CONSTRAINT state_known CHECK (((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying, 'succeeded'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[])))
);
CREATE TABLE public.task_results_default (
    id uuid CONSTRAINT task_results_id_not_null NOT NULL,
    task_id uuid CONSTRAINT task_results_task_id_not_null NOT NULL,
    task_version integer DEFAULT 1 CONSTRAINT task_results_task_version_not_null NOT NULL,
    cause character varying(20) DEFAULT 'schedule'::character varying CONSTRAINT task_results_cause_not_null NOT NULL,
    state character varying(20) CONSTRAINT task_results_state_not_null NOT NULL,
    scheduled_for timestamp with time zone CONSTRAINT task_results_scheduled_for_not_null NOT NULL,
    due_at timestamp with time zone CONSTRAINT task_results_due_at_not_null NOT NULL,
    missed_count bigint DEFAULT 0 CONSTRAINT task_results_missed_count_not_null NOT NULL,
    missed_since timestamp with time zone,
    worker_id uuid,
    epoch integer DEFAULT 0 CONSTRAINT task_results_epoch_not_null NOT NULL,
    attempt integer DEFAULT 0 CONSTRAINT task_results_attempt_not_null NOT NULL,
    attempt_started_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    attempts jsonb DEFAULT '[]'::jsonb CONSTRAINT task_results_attempts_not_null NOT NULL,
    run_at timestamp with time zone,
    finished_at timestamp with time zone,
    status_code integer,
    success boolean,
    response_headers jsonb,
    response_body text,
    body_encoding character varying(20) DEFAULT 'utf8'::character varying CONSTRAINT task_results_body_encoding_not_null NOT NULL,
    body_truncated boolean DEFAULT false CONSTRAINT task_results_body_truncated_not_null NOT NULL,
    error_message text,
    duration_ms bigint,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT task_results_created_at_not_null NOT NULL,
    host text DEFAULT ''::text CONSTRAINT task_results_host_not_null NOT NULL,
    retry_of uuid,
    CONSTRAINT body_encoding_known CHECK (((body_encoding)::text = ANY ((ARRAY['utf8'::character varying, 'base64'::character varying])::text[]))),
    CONSTRAINT cause_known CHECK (((cause)::text = ANY ((ARRAY['schedule'::character varying, 'manual'::character varying, 'retry'::character varying])::text[]))),
    CONSTRAINT finished_when_final CHECK (((finished_at IS NULL) = ((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT next_attempt_only_when_waiting CHECK (((next_attempt_at IS NULL) OR ((state)::text = ANY ((ARRAY['queued'::character varying, 'retrying'::character varying])::text[])))),
    CONSTRAINT retrying_has_next_attempt CHECK ((((state)::text <> 'retrying'::text) OR (next_attempt_at IS NOT NULL))),
    CONSTRAINT running_has_worker CHECK (((worker_id IS NOT NULL) = ((state)::text = 'running'::text))),
    CONSTRAINT state_known CHECK (((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'retrying'::character varying, 'succeeded'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[])))
);
CREATE TABLE public.task_versions (
    task_id uuid NOT NULL,
    version integer NOT NULL,
    method character varying(10) NOT NULL,
    url text NOT NULL,
    host text NOT NULL,
    headers jsonb,
    payload json,
    timeout_ms bigint NOT NULL,
    redirects integer NOT NULL,
    max_attempts integer NOT NULL,
    initial_delay_ms bigint NOT NULL,
    backoff_factor double precision NOT NULL,
    max_delay_ms bigint NOT NULL,
    on_lost character varying(20) NOT NULL,
    signing_secrets text[],
    header_order text[],
    CONSTRAINT on_lost_known CHECK (((on_lost)::text = ANY ((ARRAY['retry'::character varying, 'fail'::character varying])::text[])))
);
CREATE TABLE public.tasks (
    id uuid NOT NULL,
    name character varying(255) NOT NULL,
    trigger_type character varying(20) NOT NULL,
    trigger_time timestamp with time zone,
    cron_expr character varying(256),
    timezone text DEFAULT 'UTC'::text NOT NULL,
    every_ms bigint,
    start_at timestamp with time zone,
    end_at timestamp with time zone,
    jitter_ms bigint DEFAULT 0 NOT NULL,
    method character varying(10) NOT NULL,
    url text NOT NULL,
    host text DEFAULT ''::text NOT NULL,
    headers jsonb,
    payload json,
    timeout_ms bigint DEFAULT 30000 NOT NULL,
    redirects integer DEFAULT 5 NOT NULL,
    max_attempts integer DEFAULT 3 NOT NULL,
    initial_delay_ms bigint DEFAULT 5000 NOT NULL,
    backoff_factor double precision DEFAULT 2 NOT NULL,
    max_delay_ms bigint DEFAULT 300000 NOT NULL,
    overlap character varying(20) DEFAULT 'skip'::character varying NOT NULL,
    misfire character varying(20) DEFAULT 'latest'::character varying NOT NULL,
    on_lost character varying(20) DEFAULT 'retry'::character varying NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    status character varying(20) DEFAULT 'scheduled'::character varying NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    next_run timestamp with time zone,
    due_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    resume_from timestamp with time zone,
    misfire_once character varying(20),
    deleted_at timestamp with time zone,
    settled_until timestamp with time zone,
    signing_secrets text[],
    header_order text[],
    CONSTRAINT due_has_next_run CHECK (((due_at IS NULL) OR (next_run IS NOT NULL))),
    CONSTRAINT misfire_known CHECK (((misfire)::text = ANY ((ARRAY['latest'::character varying, 'skip'::character varying, 'all'::character varying])::text[]))),
    CONSTRAINT misfire_once_known CHECK (((misfire_once)::text = ANY ((ARRAY['latest'::character varying, 'skip'::character varying, 'all'::character varying])::text[]))),
    CONSTRAINT next_run_only_when_scheduled CHECK (((next_run IS NULL) OR ((status)::text = 'scheduled'::text))),
    CONSTRAINT on_lost_known CHECK (((on_lost)::text = ANY ((ARRAY['retry'::character varying, 'fail'::character varying])::text[]))),
    CONSTRAINT overlap_known CHECK (((overlap)::text = ANY ((ARRAY['allow'::character varying, 'skip'::character varying, 'queue'::character varying])::text[]))),
    CONSTRAINT resume_from_only_when_paused CHECK (((resume_from IS NULL) OR ((status)::text = 'paused'::text))),
    CONSTRAINT status_known CHECK (((status)::text = ANY ((ARRAY['scheduled'::character varying, 'paused'::character varying, 'completed'::character varying, 'cancelled'::character varying])::text[]))),
    CONSTRAINT trigger_type_known CHECK (((trigger_type)::text = ANY ((ARRAY['one-off'::character varying, 'cron'::character varying, 'interval'::character varying])::text[])))
);
CREATE TABLE public.workers (
    id uuid NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    slots integer NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    renewed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE public.zone_rules (
    one boolean DEFAULT true NOT NULL,
    version text NOT NULL,
    CONSTRAINT only_one CHECK (one)
);
ALTER TABLE ONLY public.task_results ATTACH PARTITION public.task_results_20261128 FOR VALUES FROM ('01a21f73-9c00-0000-0000-000000000000') TO ('01a22499-f800-0000-0000-000000000000');
ALTER TABLE ONLY public.task_results ATTACH PARTITION public.task_results_20261129 FOR VALUES FROM ('01a22499-f800-0000-0000-000000000000') TO ('01a229c0-5400-0000-0000-000000000000');
ALTER TABLE ONLY public.task_results ATTACH PARTITION public.task_results_20261130 FOR VALUES FROM ('01a229c0-5400-0000-0000-000000000000') TO ('01a22ee6-b000-0000-0000-000000000000');
ALTER TABLE ONLY public.task_results ATTACH PARTITION public.task_results_20261201 FOR VALUES FROM ('01a22ee6-b000-0000-0000-000000000000') TO ('01a2340d-0c00-0000-0000-000000000000');
ALTER TABLE ONLY public.task_results ATTACH PARTITION public.task_results_default DEFAULT;
ALTER TABLE ONLY public.audit_log ALTER COLUMN id SET DEFAULT nextval('public.audit_log_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES
	('0011');
INSERT INTO public.api_keys VALUES
	('75b870bd-4b43-4ef0-b489-e7f7377f5a74', 'ops', 'admin', '\x072d31c4ff13597d5c4d6b6140d6618233a8a46b20e5c3b8476690f00db21ed5', '2026-11-28 18:49:41.264945+00', NULL, NULL, '2026-11-28 18:49:55.075658+00');
INSERT INTO public.audit_log VALUES
	(1, '2026-11-28 18:49:41.449152+00', NULL, 'command line', 'createKey', NULL, NULL, NULL, '{"id": "75b870bd-4b43-4ef0-b489-e7f7377f5a74", "name": "ops", "scope": "admin"}'),
	(2, '2026-11-28 18:49:56.618142+00', '75b870bd-4b43-4ef0-b489-e7f7377f5a74', 'ops', 'createTask', 'e0389729-ed40-4f8f-95ef-012e7860f415', NULL, NULL, '{"url": "TARGET/often", "name": "often", "method": "POST", "status": "scheduled", "misfire": "latest", "on_lost": "retry", "overlap": "skip", "payload": {"n": 1152921504606846976}, "version": 1, "every_ms": 1000, "start_at": "2026-11-28T18:49:57.617246Z", "timezone": "UTC", "jitter_ms": 0, "redirects": 0, "timeout_ms": 30000, "max_attempts": 3, "max_delay_ms": 300000, "trigger_type": "interval", "backoff_factor": 2.0, "initial_delay_ms": 5000}'),
	(3, '2026-11-28 18:49:56.869824+00', '75b870bd-4b43-4ef0-b489-e7f7377f5a74', 'ops', 'createTask', 'bf317634-0e23-4fce-9ca5-1dbcef212d66', NULL, NULL, '{"url": "http://127.0.0.1:9/rare", "name": "rare", "tags": ["a", "b"], "method": "POST", "status": "scheduled", "headers": {"X-Token": {"secret": "86d66747"}}, "misfire": "all", "on_lost": "retry", "overlap": "queue", "payload": {"n": 1152921504606846976}, "version": 1, "timezone": "Europe/Berlin", "cron_expr": "30 2 29 2 *", "jitter_ms": 1000, "redirects": 0, "timeout_ms": 30000, "max_attempts": 7, "max_delay_ms": 300000, "trigger_type": "cron", "backoff_factor": 2.0, "initial_delay_ms": 5000}'),
	(4, '2026-11-28 18:49:56.950383+00', '75b870bd-4b43-4ef0-b489-e7f7377f5a74', 'ops', 'createTask', '3f7d3394-9ef1-455f-b096-2296c7b7a1da', NULL, NULL, '{"url": "TARGET/fails", "name": "fails", "method": "POST", "status": "scheduled", "misfire": "latest", "on_lost": "retry", "overlap": "skip", "payload": {"n": 1152921504606846976}, "version": 1, "timezone": "UTC", "jitter_ms": 0, "redirects": 0, "timeout_ms": 30000, "max_attempts": 2, "max_delay_ms": 300000, "trigger_time": "2026-11-28T18:49:57.913111Z", "trigger_type": "one-off", "backoff_factor": 2.0, "initial_delay_ms": 10}'),
	(5, '2026-11-28 18:49:57.024261+00', '75b870bd-4b43-4ef0-b489-e7f7377f5a74', 'ops', 'createTask', '464616c5-cc51-48c5-8b76-2c196b1fcbfb', NULL, NULL, '{"url": "TARGET/paused", "name": "paused", "method": "POST", "status": "scheduled", "misfire": "latest", "on_lost": "retry", "overlap": "skip", "payload": {"n": 1152921504606846976}, "version": 1, "every_ms": 3600000, "start_at": "2026-11-28T19:49:57.007260Z", "timezone": "UTC", "jitter_ms": 0, "redirects": 0, "timeout_ms": 30000, "max_attempts": 3, "max_delay_ms": 300000, "trigger_type": "interval", "backoff_factor": 2.0, "initial_delay_ms": 5000}'),
	(6, '2026-11-28 18:49:57.199037+00', '75b870bd-4b43-4ef0-b489-e7f7377f5a74', 'ops', 'pauseTask', '464616c5-cc51-48c5-8b76-2c196b1fcbfb', NULL, '{"status": "scheduled", "version": 1}', '{"status": "paused", "version": 2}'),
	(7, '2026-11-28 18:49:57.289596+00', '75b870bd-4b43-4ef0-b489-e7f7377f5a74', 'ops', 'createTask', 'e8eb64a4-d1ff-4af2-b3e0-28ca99ec0701', NULL, NULL, '{"url": "TARGET/lost", "name": "lost", "method": "POST", "status": "scheduled", "misfire": "latest", "on_lost": "retry", "overlap": "skip", "payload": {"n": 1152921504606846976}, "version": 1, "timezone": "UTC", "jitter_ms": 0, "redirects": 0, "timeout_ms": 30000, "max_attempts": 3, "max_delay_ms": 300000, "trigger_time": "2026-11-28T18:49:57.913111Z", "trigger_type": "one-off", "backoff_factor": 2.0, "initial_delay_ms": 5000}');
INSERT INTO public.last_sweep VALUES
	(true, '2026-11-28 18:50:02.19357+00');
INSERT INTO public.run_event_counter VALUES
	(true, 17);
INSERT INTO public.run_events VALUES
	(1, '2026-11-28 18:49:57.619021+00', 'started', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-1e71-894f-a395-f9d2d3ab05e0', 'running', 1, NULL, NULL, NULL),
	(2, '2026-11-28 18:49:57.671151+00', 'succeeded', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-1e71-894f-a395-f9d2d3ab05e0', 'succeeded', 1, 200, NULL, 23),
	(3, '2026-11-28 18:49:57.913729+00', 'started', '3f7d3394-9ef1-455f-b096-2296c7b7a1da', '01a2237e-1f99-8bcb-8ca6-d48ab999cf96', 'running', 1, NULL, NULL, NULL),
	(4, '2026-11-28 18:49:57.913729+00', 'started', 'e8eb64a4-d1ff-4af2-b3e0-28ca99ec0701', '01a2237e-1f99-875b-a1f0-bcb93348d3d9', 'running', 1, NULL, NULL, NULL),
	(5, '2026-11-28 18:49:57.974236+00', 'attempt_failed', '3f7d3394-9ef1-455f-b096-2296c7b7a1da', '01a2237e-1f99-8bcb-8ca6-d48ab999cf96', 'retrying', 1, 500, 'the target answered 500', 27),
	(6, '2026-11-28 18:49:58.00581+00', 'started', '3f7d3394-9ef1-455f-b096-2296c7b7a1da', '01a2237e-1f99-8bcb-8ca6-d48ab999cf96', 'running', 2, NULL, NULL, NULL),
	(7, '2026-11-28 18:49:58.052521+00', 'failed', '3f7d3394-9ef1-455f-b096-2296c7b7a1da', '01a2237e-1f99-8bcb-8ca6-d48ab999cf96', 'failed', 2, 500, 'the target answered 500', 3),
	(8, '2026-11-28 18:49:58.61974+00', 'started', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-2259-89b5-b9ca-5dbddb99895f', 'running', 1, NULL, NULL, NULL),
	(9, '2026-11-28 18:49:58.657943+00', 'succeeded', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-2259-89b5-b9ca-5dbddb99895f', 'succeeded', 1, 200, NULL, 11),
	(10, '2026-11-28 18:49:59.621879+00', 'started', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-2641-85f1-8b2e-5324f35473f0', 'running', 1, NULL, NULL, NULL),
	(11, '2026-11-28 18:49:59.665641+00', 'succeeded', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-2641-85f1-8b2e-5324f35473f0', 'succeeded', 1, 200, NULL, 8),
	(12, '2026-11-28 18:50:00.620776+00', 'started', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-2a29-8fbb-a16e-83d49711fe55', 'running', 1, NULL, NULL, NULL),
	(13, '2026-11-28 18:50:00.672401+00', 'succeeded', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-2a29-8fbb-a16e-83d49711fe55', 'succeeded', 1, 200, NULL, 25),
	(14, '2026-11-28 18:50:01.618046+00', 'started', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-2e11-8c41-ac63-9b6df1e35a94', 'running', 1, NULL, NULL, NULL),
	(15, '2026-11-28 18:50:01.721044+00', 'succeeded', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-2e11-8c41-ac63-9b6df1e35a94', 'succeeded', 1, 200, NULL, 22),
	(16, '2026-11-28 18:50:02.61857+00', 'started', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-31f9-891a-8eac-de6943703fd6', 'running', 1, NULL, NULL, NULL),
	(17, '2026-11-28 18:50:02.662809+00', 'succeeded', 'e0389729-ed40-4f8f-95ef-012e7860f415', '01a2237e-31f9-891a-8eac-de6943703fd6', 'succeeded', 1, 200, NULL, 16);
INSERT INTO public.run_rollups VALUES
	('2026-11-28 18:49:00+00', 'f922c424-fe04-4bec-932b-a77259f7e379', 3, 1, 4, 45, 99740, '{0,0,0,0,0,0,0,0,0,0,0,0,0,0,2,2,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0}', '{0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,2,1}'),
	('2026-11-28 18:50:00+00', 'f922c424-fe04-4bec-932b-a77259f7e379', 3, 0, 3, 63, 103882, '{0,0,0,0,0,0,0,0,0,0,0,0,0,2,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0}', '{1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0}');
INSERT INTO public.task_results_20261128 VALUES
	('01a2237e-1e71-894f-a395-f9d2d3ab05e0', 'e0389729-ed40-4f8f-95ef-012e7860f415', 1, 'schedule', 'succeeded', '2026-11-28 18:49:57.617246+00', '2026-11-28 18:49:57.617246+00', 0, NULL, NULL, 1, 1, '2026-11-28 18:49:57.642137+00', NULL, '[{"number": 1, "started_at": "2026-11-28T18:49:57.642137+00:00", "duration_ms": 23, "finished_at": "2026-11-28T18:49:57.665546+00:00", "status_code": 200, "error_message": null, "next_attempt_at": null}]', '2026-11-28 18:49:57.642137+00', '2026-11-28 18:49:57.665546+00', 200, true, '[["content-length", "2"], ["content-type", "application/octet-stream"], ["date", "Sat, 28 Nov 2026 18:49:57 GMT"], ["server", "Python/3.11 aiohttp/3.14.5"]]', 'ok', 'utf8', false, NULL, 23, '2026-11-28 18:49:57.619021+00', 'HOST', NULL),
	('01a2237e-1f99-875b-a1f0-bcb93348d3d9', 'e8eb64a4-d1ff-4af2-b3e0-28ca99ec0701', 1, 'schedule', 'running', '2026-11-28 18:49:57.913111+00', '2026-11-28 18:49:57.913111+00', 0, NULL, 'f922c424-fe04-4bec-932b-a77259f7e379', 1, 1, '2026-11-28 18:49:57.913729+00', NULL, '[]', '2026-11-28 18:49:57.913729+00', NULL, NULL, NULL, NULL, NULL, 'utf8', false, NULL, NULL, '2026-11-28 18:49:57.913729+00', 'HOST', NULL),
	('01a2237e-1f99-8bcb-8ca6-d48ab999cf96', '3f7d3394-9ef1-455f-b096-2296c7b7a1da', 1, 'schedule', 'failed', '2026-11-28 18:49:57.913111+00', '2026-11-28 18:49:57.913111+00', 0, NULL, NULL, 2, 2, '2026-11-28 18:49:58.032486+00', NULL, '[{"number": 1, "started_at": "2026-11-28T18:49:57.940879+00:00", "duration_ms": 27, "finished_at": "2026-11-28T18:49:57.967974+00:00", "status_code": 500, "error_message": "the target answered 500", "next_attempt_at": "2026-11-28T18:49:57.978007+00:00"}, {"number": 2, "started_at": "2026-11-28T18:49:58.032486+00:00", "duration_ms": 3, "finished_at": "2026-11-28T18:49:58.035478+00:00", "status_code": 500, "error_message": "the target answered 500", "next_attempt_at": null}]', '2026-11-28 18:49:57.940879+00', '2026-11-28 18:49:58.035478+00', 500, false, '[["content-length", "2"], ["content-type", "application/octet-stream"], ["date", "Sat, 28 Nov 2026 18:49:58 GMT"], ["server", "Python/3.11 aiohttp/3.14.5"]]', 'ok', 'utf8', false, 'the target answered 500', 3, '2026-11-28 18:49:57.913729+00', 'HOST', NULL),
	('01a2237e-2259-89b5-b9ca-5dbddb99895f', 'e0389729-ed40-4f8f-95ef-012e7860f415', 1, 'schedule', 'succeeded', '2026-11-28 18:49:58.617246+00', '2026-11-28 18:49:58.617246+00', 0, NULL, NULL, 1, 1, '2026-11-28 18:49:58.637261+00', NULL, '[{"number": 1, "started_at": "2026-11-28T18:49:58.637261+00:00", "duration_ms": 11, "finished_at": "2026-11-28T18:49:58.648139+00:00", "status_code": 200, "error_message": null, "next_attempt_at": null}]', '2026-11-28 18:49:58.637261+00', '2026-11-28 18:49:58.648139+00', 200, true, '[["content-length", "2"], ["content-type", "application/octet-stream"], ["date", "Sat, 28 Nov 2026 18:49:58 GMT"], ["server", "Python/3.11 aiohttp/3.14.5"]]', 'ok', 'utf8', false, NULL, 11, '2026-11-28 18:49:58.61974+00', 'HOST', NULL),
	('01a2237e-2641-85f1-8b2e-5324f35473f0', 'e0389729-ed40-4f8f-95ef-012e7860f415', 1, 'schedule', 'succeeded', '2026-11-28 18:49:59.617246+00', '2026-11-28 18:49:59.617246+00', 0, NULL, NULL, 1, 1, '2026-11-28 18:49:59.644312+00', NULL, '[{"number": 1, "started_at": "2026-11-28T18:49:59.644312+00:00", "duration_ms": 8, "finished_at": "2026-11-28T18:49:59.65195+00:00", "status_code": 200, "error_message": null, "next_attempt_at": null}]', '2026-11-28 18:49:59.644312+00', '2026-11-28 18:49:59.65195+00', 200, true, '[["content-length", "2"], ["content-type", "application/octet-stream"], ["date", "Sat, 28 Nov 2026 18:49:59 GMT"], ["server", "Python/3.11 aiohttp/3.14.5"]]', 'ok', 'utf8', false, NULL, 8, '2026-11-28 18:49:59.621879+00', 'HOST', NULL),
	('01a2237e-2a29-8fbb-a16e-83d49711fe55', 'e0389729-ed40-4f8f-95ef-012e7860f415', 1, 'schedule', 'succeeded', '2026-11-28 18:50:00.617246+00', '2026-11-28 18:50:00.617246+00', 0, NULL, NULL, 1, 1, '2026-11-28 18:50:00.636274+00', NULL, '[{"number": 1, "started_at": "2026-11-28T18:50:00.636274+00:00", "duration_ms": 25, "finished_at": "2026-11-28T18:50:00.660918+00:00", "status_code": 200, "error_message": null, "next_attempt_at": null}]', '2026-11-28 18:50:00.636274+00', '2026-11-28 18:50:00.660918+00', 200, true, '[["content-length", "2"], ["content-type", "application/octet-stream"], ["date", "Sat, 28 Nov 2026 18:50:00 GMT"], ["server", "Python/3.11 aiohttp/3.14.5"]]', 'ok', 'utf8', false, NULL, 25, '2026-11-28 18:50:00.620776+00', 'HOST', NULL),
	('01a2237e-2e11-8c41-ac63-9b6df1e35a94', 'e0389729-ed40-4f8f-95ef-012e7860f415', 1, 'schedule', 'succeeded', '2026-11-28 18:50:01.617246+00', '2026-11-28 18:50:01.617246+00', 0, NULL, NULL, 1, 1, '2026-11-28 18:50:01.682758+00', NULL, '[{"number": 1, "started_at": "2026-11-28T18:50:01.682758+00:00", "duration_ms": 22, "finished_at": "2026-11-28T18:50:01.704321+00:00", "status_code": 200, "error_message": null, "next_attempt_at": null}]', '2026-11-28 18:50:01.682758+00', '2026-11-28 18:50:01.704321+00', 200, true, '[["content-length", "2"], ["content-type", "application/octet-stream"], ["date", "Sat, 28 Nov 2026 18:50:01 GMT"], ["server", "Python/3.11 aiohttp/3.14.5"]]', 'ok', 'utf8', false, NULL, 22, '2026-11-28 18:50:01.618046+00', 'HOST', NULL),
	('01a2237e-31f9-891a-8eac-de6943703fd6', 'e0389729-ed40-4f8f-95ef-012e7860f415', 1, 'schedule', 'succeeded', '2026-11-28 18:50:02.617246+00', '2026-11-28 18:50:02.617246+00', 0, NULL, NULL, 1, 1, '2026-11-28 18:50:02.636588+00', NULL, '[{"number": 1, "started_at": "2026-11-28T18:50:02.636588+00:00", "duration_ms": 16, "finished_at": "2026-11-28T18:50:02.652542+00:00", "status_code": 200, "error_message": null, "next_attempt_at": null}]', '2026-11-28 18:50:02.636588+00', '2026-11-28 18:50:02.652542+00', 200, true, '[["content-length", "2"], ["content-type", "application/octet-stream"], ["date", "Sat, 28 Nov 2026 18:50:02 GMT"], ["server", "Python/3.11 aiohttp/3.14.5"]]', 'ok', 'utf8', false, NULL, 16, '2026-11-28 18:50:02.61857+00', 'HOST', NULL);
INSERT INTO public.tasks VALUES
	('bf317634-0e23-4fce-9ca5-1dbcef212d66', 'rare', 'cron', NULL, '30 2 29 2 *', 'Europe/Berlin', NULL, NULL, NULL, 1000, 'POST', 'http://127.0.0.1:9/rare', '127.0.0.1:9', '{"X-Token": {"sealed": "v1.f5c059b3.oUhBLMubZhhFPZE/X1jYy9A8GxbKTkunW5jVtw5CQ307kA=="}}', '{"n": 1152921504606846976}', 30000, 0, 7, 5000, 2, 300000, 'queue', 'all', 'retry', '{a,b}', 'scheduled', 1, '2028-02-29 01:30:00+00', '2028-02-29 01:30:00.778+00', '2026-11-28 18:49:56.808561+00', '2026-11-28 18:49:56.808561+00', NULL, NULL, NULL, '2026-11-28 18:49:56.808561+00', NULL, '{X-Token}'),
	('464616c5-cc51-48c5-8b76-2c196b1fcbfb', 'paused', 'interval', NULL, NULL, 'UTC', 3600000, '2026-11-28 19:49:57.00726+00', NULL, 0, 'POST', 'TARGET/paused', 'HOST', NULL, '{"n": 1152921504606846976}', 30000, 0, 3, 5000, 2, 300000, 'skip', 'latest', 'retry', '{}', 'paused', 2, NULL, NULL, '2026-11-28 18:49:57.00726+00', '2026-11-28 18:49:57.104025+00', '2026-11-28 19:49:57.00726+00', NULL, NULL, '2026-11-28 18:49:57.00726+00', NULL, NULL),
	('e8eb64a4-d1ff-4af2-b3e0-28ca99ec0701', 'lost', 'one-off', '2026-11-28 18:49:57.913111+00', NULL, 'UTC', NULL, NULL, NULL, 0, 'POST', 'TARGET/lost', 'HOST', NULL, '{"n": 1152921504606846976}', 30000, 0, 3, 5000, 2, 300000, 'skip', 'latest', 'retry', '{}', 'scheduled', 1, NULL, NULL, '2026-11-28 18:49:57.288916+00', '2026-11-28 18:49:57.288916+00', NULL, NULL, NULL, '2026-11-28 18:49:57.913111+00', NULL, NULL),
	('3f7d3394-9ef1-455f-b096-2296c7b7a1da', 'fails', 'one-off', '2026-11-28 18:49:57.913111+00', NULL, 'UTC', NULL, NULL, NULL, 0, 'POST', 'TARGET/fails', 'HOST', NULL, '{"n": 1152921504606846976}', 30000, 0, 2, 10, 2, 300000, 'skip', 'latest', 'retry', '{}', 'completed', 1, NULL, NULL, '2026-11-28 18:49:56.949508+00', '2026-11-28 18:49:56.949508+00', NULL, NULL, NULL, '2026-11-28 18:49:57.913111+00', NULL, NULL),
	('e0389729-ed40-4f8f-95ef-012e7860f415', 'often', 'interval', NULL, NULL, 'UTC', 1000, '2026-11-28 18:49:57.617246+00', NULL, 0, 'POST', 'TARGET/often', 'HOST', NULL, '{"n": 1152921504606846976}', 30000, 0, 3, 5000, 2, 300000, 'skip', 'latest', 'retry', '{}', 'scheduled', 1, '2026-11-28 18:50:03.617246+00', '2026-11-28 18:50:03.617246+00', '2026-11-28 18:49:56.617246+00', '2026-11-28 18:49:56.617246+00', NULL, NULL, NULL, '2026-11-28 18:50:02.617246+00', NULL, NULL);
INSERT INTO public.workers VALUES
	('f922c424-fe04-4bec-932b-a77259f7e379', 'vm', 19284, 600, '2026-11-28 18:49:52.58154+00', '2026-11-28 18:50:02.002+00');
INSERT INTO public.zone_rules VALUES
	(true, '2026f');
SELECT pg_catalog.setval('public.audit_log_id_seq', 7, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_token_sha256_key UNIQUE (token_sha256);
ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, key);
ALTER TABLE ONLY public.last_sweep
    ADD CONSTRAINT last_sweep_pkey PRIMARY KEY (one);
ALTER TABLE ONLY public.run_event_counter
    ADD CONSTRAINT run_event_counter_pkey PRIMARY KEY (one);
ALTER TABLE ONLY public.run_events
    ADD CONSTRAINT run_events_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.run_rollups
    ADD CONSTRAINT run_rollups_pkey PRIMARY KEY (minute, worker_id);
ALTER TABLE ONLY public.task_results
    ADD CONSTRAINT task_results_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.task_results_20261128
    ADD CONSTRAINT task_results_20261128_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.task_results_20261129
    ADD CONSTRAINT task_results_20261129_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.task_results_20261130
    ADD CONSTRAINT task_results_20261130_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.task_results_20261201
    ADD CONSTRAINT task_results_20261201_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.task_results_default
    ADD CONSTRAINT task_results_default_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.task_versions
    ADD CONSTRAINT task_versions_pkey PRIMARY KEY (task_id, version);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.zone_rules
    ADD CONSTRAINT zone_rules_pkey PRIMARY KEY (one);
CREATE INDEX audit_log_at ON public.audit_log USING btree (at, id);
CREATE INDEX audit_log_task_id_at ON public.audit_log USING btree (task_id, at, id);
CREATE INDEX ix_idempotency_keys_task_id ON public.idempotency_keys USING btree (task_id);
CREATE INDEX task_results_next_attempt_at ON ONLY public.task_results USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX task_results_20261128_next_attempt_at_idx ON public.task_results_20261128 USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX task_results_run_at ON ONLY public.task_results USING btree (run_at, id) WHERE ((finished_at IS NOT NULL) AND (run_at IS NOT NULL));
CREATE INDEX task_results_20261128_run_at_id_idx ON public.task_results_20261128 USING btree (run_at, id) WHERE ((finished_at IS NOT NULL) AND (run_at IS NOT NULL));
CREATE INDEX task_results_scheduled_for ON ONLY public.task_results USING btree (scheduled_for, id);
CREATE INDEX task_results_20261128_scheduled_for_id_idx ON public.task_results_20261128 USING btree (scheduled_for, id);
CREATE INDEX task_results_unsuccessful ON ONLY public.task_results USING btree (state, scheduled_for, id) WHERE ((state)::text = ANY ((ARRAY['failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[]));
CREATE INDEX task_results_20261128_state_scheduled_for_id_idx ON public.task_results_20261128 USING btree (state, scheduled_for, id) WHERE ((state)::text = ANY ((ARRAY['failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[]));
CREATE INDEX task_results_unfinished ON ONLY public.task_results USING btree (task_id) WHERE (finished_at IS NULL);
CREATE INDEX task_results_20261128_task_id_idx ON public.task_results_20261128 USING btree (task_id) WHERE (finished_at IS NULL);
CREATE INDEX task_results_queued ON ONLY public.task_results USING btree (task_id) WHERE ((finished_at IS NULL) AND ((state)::text = 'queued'::text) AND (next_attempt_at IS NULL));
CREATE INDEX task_results_20261128_task_id_idx1 ON public.task_results_20261128 USING btree (task_id) WHERE ((finished_at IS NULL) AND ((state)::text = 'queued'::text) AND (next_attempt_at IS NULL));
CREATE INDEX task_results_task_id_scheduled_for ON ONLY public.task_results USING btree (task_id, scheduled_for, id);
CREATE INDEX task_results_20261128_task_id_scheduled_for_id_idx ON public.task_results_20261128 USING btree (task_id, scheduled_for, id);
CREATE INDEX task_results_worker_id ON ONLY public.task_results USING btree (worker_id) WHERE (worker_id IS NOT NULL);
CREATE INDEX task_results_20261128_worker_id_idx ON public.task_results_20261128 USING btree (worker_id) WHERE (worker_id IS NOT NULL);
CREATE INDEX task_results_20261129_next_attempt_at_idx ON public.task_results_20261129 USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX task_results_20261129_run_at_id_idx ON public.task_results_20261129 USING btree (run_at, id) WHERE ((finished_at IS NOT NULL) AND (run_at IS NOT NULL));
CREATE INDEX task_results_20261129_scheduled_for_id_idx ON public.task_results_20261129 USING btree (scheduled_for, id);
CREATE INDEX task_results_20261129_state_scheduled_for_id_idx ON public.task_results_20261129 USING btree (state, scheduled_for, id) WHERE ((state)::text = ANY ((ARRAY['failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[]));
CREATE INDEX task_results_20261129_task_id_idx ON public.task_results_20261129 USING btree (task_id) WHERE (finished_at IS NULL);
CREATE INDEX task_results_20261129_task_id_idx1 ON public.task_results_20261129 USING btree (task_id) WHERE ((finished_at IS NULL) AND ((state)::text = 'queued'::text) AND (next_attempt_at IS NULL));
CREATE INDEX task_results_20261129_task_id_scheduled_for_id_idx ON public.task_results_20261129 USING btree (task_id, scheduled_for, id);
CREATE INDEX task_results_20261129_worker_id_idx ON public.task_results_20261129 USING btree (worker_id) WHERE (worker_id IS NOT NULL);
CREATE INDEX task_results_20261130_next_attempt_at_idx ON public.task_results_20261130 USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX task_results_20261130_run_at_id_idx ON public.task_results_20261130 USING btree (run_at, id) WHERE ((finished_at IS NOT NULL) AND (run_at IS NOT NULL));
CREATE INDEX task_results_20261130_scheduled_for_id_idx ON public.task_results_20261130 USING btree (scheduled_for, id);
CREATE INDEX task_results_20261130_state_scheduled_for_id_idx ON public.task_results_20261130 USING btree (state, scheduled_for, id) WHERE ((state)::text = ANY ((ARRAY['failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[]));
CREATE INDEX task_results_20261130_task_id_idx ON public.task_results_20261130 USING btree (task_id) WHERE (finished_at IS NULL);
CREATE INDEX task_results_20261130_task_id_idx1 ON public.task_results_20261130 USING btree (task_id) WHERE ((finished_at IS NULL) AND ((state)::text = 'queued'::text) AND (next_attempt_at IS NULL));
CREATE INDEX task_results_20261130_task_id_scheduled_for_id_idx ON public.task_results_20261130 USING btree (task_id, scheduled_for, id);
CREATE INDEX task_results_20261130_worker_id_idx ON public.task_results_20261130 USING btree (worker_id) WHERE (worker_id IS NOT NULL);
CREATE INDEX task_results_20261201_next_attempt_at_idx ON public.task_results_20261201 USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX task_results_20261201_run_at_id_idx ON public.task_results_20261201 USING btree (run_at, id) WHERE ((finished_at IS NOT NULL) AND (run_at IS NOT NULL));
CREATE INDEX task_results_20261201_scheduled_for_id_idx ON public.task_results_20261201 USING btree (scheduled_for, id);
CREATE INDEX task_results_20261201_state_scheduled_for_id_idx ON public.task_results_20261201 USING btree (state, scheduled_for, id) WHERE ((state)::text = ANY ((ARRAY['failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[]));
CREATE INDEX task_results_20261201_task_id_idx ON public.task_results_20261201 USING btree (task_id) WHERE (finished_at IS NULL);
CREATE INDEX task_results_20261201_task_id_idx1 ON public.task_results_20261201 USING btree (task_id) WHERE ((finished_at IS NULL) AND ((state)::text = 'queued'::text) AND (next_attempt_at IS NULL));
CREATE INDEX task_results_20261201_task_id_scheduled_for_id_idx ON public.task_results_20261201 USING btree (task_id, scheduled_for, id);
CREATE INDEX task_results_20261201_worker_id_idx ON public.task_results_20261201 USING btree (worker_id) WHERE (worker_id IS NOT NULL);
CREATE INDEX task_results_default_next_attempt_at_idx ON public.task_results_default USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX task_results_default_run_at_id_idx ON public.task_results_default USING btree (run_at, id) WHERE ((finished_at IS NOT NULL) AND (run_at IS NOT NULL));
CREATE INDEX task_results_default_scheduled_for_id_idx ON public.task_results_default USING btree (scheduled_for, id);
CREATE INDEX task_results_default_state_scheduled_for_id_idx ON public.task_results_default USING btree (state, scheduled_for, id) WHERE ((state)::text = ANY ((ARRAY['failed'::character varying, 'cancelled'::character varying, 'skipped'::character varying, 'missed'::character varying, 'unknown'::character varying])::text[]));
CREATE INDEX task_results_default_task_id_idx ON public.task_results_default USING btree (task_id) WHERE (finished_at IS NULL);
CREATE INDEX task_results_default_task_id_idx1 ON public.task_results_default USING btree (task_id) WHERE ((finished_at IS NULL) AND ((state)::text = 'queued'::text) AND (next_attempt_at IS NULL));
CREATE INDEX task_results_default_task_id_scheduled_for_id_idx ON public.task_results_default USING btree (task_id, scheduled_for, id);
CREATE INDEX task_results_default_worker_id_idx ON public.task_results_default USING btree (worker_id) WHERE (worker_id IS NOT NULL);
CREATE INDEX tasks_catching_up ON public.tasks USING btree (id) WHERE ((next_run IS NOT NULL) AND (due_at IS NULL));
CREATE INDEX tasks_created_at_id ON public.tasks USING btree (created_at, id);
CREATE INDEX tasks_deleted_at ON public.tasks USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX tasks_due_at ON public.tasks USING btree (due_at) WHERE (due_at IS NOT NULL);
CREATE INDEX tasks_name_id ON public.tasks USING btree (name, id);
CREATE INDEX tasks_next_run_id ON public.tasks USING btree (next_run, id);
CREATE INDEX tasks_timezone ON public.tasks USING btree (timezone) WHERE (timezone <> 'UTC'::text);
ALTER INDEX public.task_results_next_attempt_at ATTACH PARTITION public.task_results_20261128_next_attempt_at_idx;
ALTER INDEX public.task_results_pkey ATTACH PARTITION public.task_results_20261128_pkey;
ALTER INDEX public.task_results_run_at ATTACH PARTITION public.task_results_20261128_run_at_id_idx;
ALTER INDEX public.task_results_scheduled_for ATTACH PARTITION public.task_results_20261128_scheduled_for_id_idx;
ALTER INDEX public.task_results_unsuccessful ATTACH PARTITION public.task_results_20261128_state_scheduled_for_id_idx;
ALTER INDEX public.task_results_unfinished ATTACH PARTITION public.task_results_20261128_task_id_idx;
ALTER INDEX public.task_results_queued ATTACH PARTITION public.task_results_20261128_task_id_idx1;
ALTER INDEX public.task_results_task_id_scheduled_for ATTACH PARTITION public.task_results_20261128_task_id_scheduled_for_id_idx;
ALTER INDEX public.task_results_worker_id ATTACH PARTITION public.task_results_20261128_worker_id_idx;
ALTER INDEX public.task_results_next_attempt_at ATTACH PARTITION public.task_results_20261129_next_attempt_at_idx;
ALTER INDEX public.task_results_pkey ATTACH PARTITION public.task_results_20261129_pkey;
ALTER INDEX public.task_results_run_at ATTACH PARTITION public.task_results_20261129_run_at_id_idx;
ALTER INDEX public.task_results_scheduled_for ATTACH PARTITION public.task_results_20261129_scheduled_for_id_idx;
ALTER INDEX public.task_results_unsuccessful ATTACH PARTITION public.task_results_20261129_state_scheduled_for_id_idx;
ALTER INDEX public.task_results_unfinished ATTACH PARTITION public.task_results_20261129_task_id_idx;
ALTER INDEX public.task_results_queued ATTACH PARTITION public.task_results_20261129_task_id_idx1;
ALTER INDEX public.task_results_task_id_scheduled_for ATTACH PARTITION public.task_results_20261129_task_id_scheduled_for_id_idx;
ALTER INDEX public.task_results_worker_id ATTACH PARTITION public.task_results_20261129_worker_id_idx;
ALTER INDEX public.task_results_next_attempt_at ATTACH PARTITION public.task_results_20261130_next_attempt_at_idx;
ALTER INDEX public.task_results_pkey ATTACH PARTITION public.task_results_20261130_pkey;
ALTER INDEX public.task_results_run_at ATTACH PARTITION public.task_results_20261130_run_at_id_idx;
ALTER INDEX public.task_results_scheduled_for ATTACH PARTITION public.task_results_20261130_scheduled_for_id_idx;
ALTER INDEX public.task_results_unsuccessful ATTACH PARTITION public.task_results_20261130_state_scheduled_for_id_idx;
ALTER INDEX public.task_results_unfinished ATTACH PARTITION public.task_results_20261130_task_id_idx;
ALTER INDEX public.task_results_queued ATTACH PARTITION public.task_results_20261130_task_id_idx1;
ALTER INDEX public.task_results_task_id_scheduled_for ATTACH PARTITION public.task_results_20261130_task_id_scheduled_for_id_idx;
ALTER INDEX public.task_results_worker_id ATTACH PARTITION public.task_results_20261130_worker_id_idx;
ALTER INDEX public.task_results_next_attempt_at ATTACH PARTITION public.task_results_20261201_next_attempt_at_idx;
ALTER INDEX public.task_results_pkey ATTACH PARTITION public.task_results_20261201_pkey;
ALTER INDEX public.task_results_run_at ATTACH PARTITION public.task_results_20261201_run_at_id_idx;
ALTER INDEX public.task_results_scheduled_for ATTACH PARTITION public.task_results_20261201_scheduled_for_id_idx;
ALTER INDEX public.task_results_unsuccessful ATTACH PARTITION public.task_results_20261201_state_scheduled_for_id_idx;
ALTER INDEX public.task_results_unfinished ATTACH PARTITION public.task_results_20261201_task_id_idx;
ALTER INDEX public.task_results_queued ATTACH PARTITION public.task_results_20261201_task_id_idx1;
ALTER INDEX public.task_results_task_id_scheduled_for ATTACH PARTITION public.task_results_20261201_task_id_scheduled_for_id_idx;
ALTER INDEX public.task_results_worker_id ATTACH PARTITION public.task_results_20261201_worker_id_idx;
ALTER INDEX public.task_results_next_attempt_at ATTACH PARTITION public.task_results_default_next_attempt_at_idx;
ALTER INDEX public.task_results_pkey ATTACH PARTITION public.task_results_default_pkey;
ALTER INDEX public.task_results_run_at ATTACH PARTITION public.task_results_default_run_at_id_idx;
ALTER INDEX public.task_results_scheduled_for ATTACH PARTITION public.task_results_default_scheduled_for_id_idx;
ALTER INDEX public.task_results_unsuccessful ATTACH PARTITION public.task_results_default_state_scheduled_for_id_idx;
ALTER INDEX public.task_results_unfinished ATTACH PARTITION public.task_results_default_task_id_idx;
ALTER INDEX public.task_results_queued ATTACH PARTITION public.task_results_default_task_id_idx1;
ALTER INDEX public.task_results_task_id_scheduled_for ATTACH PARTITION public.task_results_default_task_id_scheduled_for_id_idx;
ALTER INDEX public.task_results_worker_id ATTACH PARTITION public.task_results_default_worker_id_idx;
CREATE TRIGGER guard_arrows BEFORE UPDATE OF state ON public.task_results FOR EACH ROW WHEN ((((old.state)::text <> (new.state)::text) AND (NOT ((((old.state)::text = 'queued'::text) AND ((new.state)::text = ANY ((ARRAY['running'::character varying, 'cancelled'::character varying])::text[]))) OR (((old.state)::text = 'running'::text) AND ((new.state)::text = ANY ((ARRAY['succeeded'::character varying, 'failed'::character varying, 'retrying'::character varying, 'unknown'::character varying, 'cancelled'::character varying])::text[]))) OR (((old.state)::text = 'retrying'::text) AND ((new.state)::text = ANY ((ARRAY['running'::character varying, 'cancelled'::character varying])::text[]))))))) EXECUTE FUNCTION public.refuse_arrow();
CREATE TRIGGER guard_rows BEFORE DELETE OR UPDATE ON public.audit_log FOR EACH ROW EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_log ENABLE ALWAYS TRIGGER guard_rows;
CREATE TRIGGER guard_table BEFORE TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
ALTER TABLE public.audit_log ENABLE ALWAYS TRIGGER guard_table;
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;
ALTER TABLE public.task_results
    ADD CONSTRAINT task_results_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.task_versions
    ADD CONSTRAINT task_versions_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;
