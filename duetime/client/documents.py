"""The operations that commands send. `--json` prints what they select."""

TRIGGER = """
trigger {
  __typename
  ... on OneOffTrigger { at }
  ... on CronTrigger { expression timezone startAt endAt jitterMs description }
  ... on IntervalTrigger { everyMs startAt endAt jitterMs }
}
"""

LISTED_TASK = f"""
id externalId name status nextRunAt tags version createdAt updatedAt
{TRIGGER}
action {{ method url }}
lastRun {{ id state scheduledFor statusCode }}
"""

ACTION = """
action {
  method url headers { name value secret } payload body bodyEncoding form { name value }
  successStatuses timeoutMs redirects signed
}
"""

DEFINITION = f"""
id externalId name description status tags metadata
{TRIGGER}
{ACTION}
retry {{ maxAttempts initialDelayMs factor maxDelayMs retryStatuses maxElapsedMs }}
overlap misfire onLost deleteAfterMs pauseAfterFailures retentionDays flowKey
"""

TASK = f"""
{DEFINITION}
nextRunAt pausedAt pausedBy pauseReason version createdAt updatedAt
lastRun {{ id state scheduledFor finishedAt statusCode errorMessage }}
"""

LISTED_RUN = """
id state cause scheduledFor startedAt finishedAt success statusCode errorMessage durationMs latenessMs missedCount
task { id externalId name }
"""

RUN = f"""
{LISTED_RUN}
taskVersion missedSince retryOf {{ id }}
{ACTION}
attempts {{ number startedAt finishedAt durationMs statusCode errorMessage responseError nextAttemptAt }}
responseHeaders {{ name value }}
responseBody responseBodyEncoding responseTruncated
"""

REFUSAL = "... on Error { message }"
REFUSALS = f"... on InvalidInput {{ problems {{ path message }} }} {REFUSAL}"

PAGE = "pageInfo { endCursor hasNextPage }"

TASKS = f"""
query ($filter: TaskFilter, $orderBy: TaskOrder!, $first: Int!, $after: String) {{
  tasks(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {{ nodes {{ {LISTED_TASK} }} {PAGE} }}
}}
"""
DEFINITIONS = f"""
query ($filter: TaskFilter, $first: Int!, $after: String) {{
  tasks(filter: $filter, orderBy: CREATED_AT_ASC, first: $first, after: $after) {{ nodes {{ {DEFINITION} }} {PAGE} }}
}}
"""
TASK_IDS = f"""
query ($filter: TaskFilter, $first: Int!, $after: String) {{
  tasks(filter: $filter, first: $first, after: $after) {{ nodes {{ id externalId name tags }} {PAGE} }}
}}
"""
TASK_BY_ID = f"query ($id: ID) {{ task(id: $id) {{ {TASK} }} }}"
TASK_BY_EXTERNAL_ID = f"query ($id: String) {{ task(externalId: $id) {{ {TASK} }} }}"
ID_BY_EXTERNAL_ID = "query ($id: String) { task(externalId: $id) { id } }"
CREATE_TASK = f"""
mutation ($input: CreateTaskInput!) {{
  createTask(input: $input) {{ __typename ... on Task {{ {TASK} }} {REFUSALS} }}
}}
"""
UPDATE_TASK = f"""
mutation ($id: ID!, $input: UpdateTaskInput!) {{
  updateTask(id: $id, input: $input) {{ __typename ... on Task {{ {TASK} }} {REFUSALS} }}
}}
"""
TASK_RESULT = f"{{ __typename ... on Task {{ id externalId name status nextRunAt }} {REFUSAL} }}"
PAUSE_TASKS = f"mutation ($ids: [ID!]!, $reason: String) {{ pauseTasks(ids: $ids, reason: $reason) {TASK_RESULT} }}"
RESUME_TASKS = f"""
mutation ($ids: [ID!]!, $missed: MisfirePolicy) {{ resumeTasks(ids: $ids, missed: $missed) {TASK_RESULT} }}
"""
CANCEL_TASKS = f"mutation ($ids: [ID!]!) {{ cancelTasks(ids: $ids) {TASK_RESULT} }}"
DELETE_TASKS = f"""
mutation ($ids: [ID!]!) {{ deleteTasks(ids: $ids) {{ __typename ... on DeletedTask {{ id: taskId }} {REFUSAL} }} }}
"""
RUN_RESULT = f"""
{{ __typename ... on Run {{ id state scheduledFor task {{ id externalId name }} }} {REFUSALS} }}
"""
RUN_TASKS = f"mutation ($ids: [ID!]!) {{ runTasks(ids: $ids) {RUN_RESULT} }}"
RUN_TASK = f"mutation ($id: ID!, $input: RunTaskInput) {{ runTask(id: $id, input: $input) {RUN_RESULT} }}"
RETRY_RUNS = f"mutation ($ids: [ID!]!) {{ retryRuns(ids: $ids) {RUN_RESULT} }}"
CANCEL_RUNS = f"mutation ($ids: [ID!]!) {{ cancelRuns(ids: $ids) {RUN_RESULT} }}"
OPERATION = """
id action state total done succeeded refused problems { id message } createdAt finishedAt actor
"""
BULK_OF_TASKS = f"""
mutation ($action: BulkAction!, $filter: TaskFilter!, $dryRun: Boolean!) {{
  bulk(action: $action, tasks: $filter, dryRun: $dryRun) {{
    __typename ... on BulkOperation {{ {OPERATION} }} {REFUSALS}
  }}
}}
"""
BULK_OF_RUNS = f"""
mutation ($action: BulkAction!, $filter: RunFilter!, $dryRun: Boolean!) {{
  bulk(action: $action, runs: $filter, dryRun: $dryRun) {{
    __typename ... on BulkOperation {{ {OPERATION} }} {REFUSALS}
  }}
}}
"""
BULK_PROGRESS = f"subscription ($id: ID!) {{ bulkProgress(id: $id) {{ {OPERATION} }} }}"
CANCEL_BULK = f"""
mutation ($id: ID!) {{ cancelBulkOperation(id: $id) {{ __typename ... on BulkOperation {{ {OPERATION} }} {REFUSAL} }} }}
"""
PREVIEW = """
query ($trigger: TriggerInput!, $count: Int!, $after: DateTime) {
  previewTrigger(trigger: $trigger, count: $count, after: $after) {
    __typename
    ... on TriggerPreview { description instants }
    ... on InvalidInput { message problems { path message } }
  }
}
"""
UPCOMING = "query ($id: ID!, $count: Int!) { task(id: $id) { name upcoming(count: $count) } }"
RUNS = f"""
query ($filter: RunFilter, $first: Int!, $after: String) {{
  runs(filter: $filter, first: $first, after: $after) {{ nodes {{ {LISTED_RUN} }} {PAGE} }}
}}
"""
RUN_IDS = f"""
query ($filter: RunFilter, $first: Int!, $after: String) {{
  runs(filter: $filter, first: $first, after: $after) {{ nodes {{ id }} {PAGE} }}
}}
"""
RUN_BY_ID = f"query ($id: ID!) {{ run(id: $id) {{ {RUN} }} }}"
NEWEST_EVENT = "{ runEventsCursor }"
RUN_EVENTS = """
subscription ($taskId: ID, $after: String) {
  runEvents(taskId: $taskId, after: $after) {
    __typename
    ... on RunEvent {
      cursor type at taskId runId state attempt statusCode errorMessage durationMs run { task { externalId name } }
    }
    ... on RunEventsGap { cursor message }
  }
}
"""
PLAN_TASKS = f"""
mutation ($inputs: [CreateTaskInput!]!) {{
  upsertTasks(inputs: $inputs, dryRun: true) {{
    __typename ... on UpsertedTask {{ outcome before after }} {REFUSALS}
  }}
}}
"""
UPSERT_TASKS = f"""
mutation ($inputs: [CreateTaskInput!]!) {{
  upsertTasks(inputs: $inputs) {{ __typename ... on UpsertedTask {{ outcome before }} {REFUSALS} }}
}}
"""
TRY = f"""
mutation ($action: HttpActionInput!) {{
  tryAction(action: $action) {{
    __typename
    ... on TriedAction {{
      success statusCode errorMessage durationMs responseHeaders {{ name value }}
      responseBody responseBodyEncoding responseTruncated
    }}
    {REFUSALS}
  }}
}}
"""
STATISTICS = """
query ($from: DateTime!, $to: DateTime!, $bucket: StatisticsBucket!, $filter: StatisticsFilter) {
  runStatistics(from: $from, to: $to, bucket: $bucket, filter: $filter) {
    from to runs succeeded failed cancelled skipped missed unknown successRatePercent
    latenessP50Ms latenessP99Ms durationP50Ms durationP95Ms
  }
}
"""
FORECAST = """
query ($from: DateTime, $to: DateTime, $bucket: StatisticsBucket!) {
  loadForecast(from: $from, to: $to, bucket: $bucket) {
    calls computedAt buckets { from to calls } hosts { host calls }
  }
}
"""
