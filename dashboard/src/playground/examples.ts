// The operations in the tabs of a first visit. Each one runs as it is, because GraphiQL shows no variables in its default tabs.

export interface Example {
  query: string;
}

/** Return the examples. The first task calls Duetime itself, at `origin`. */
export function examples(origin: string): Example[] {
  return [
    `
# A task that calls every five seconds.
mutation CreateHeartbeat {
  createTask(
    input: {
      name: "heartbeat"
      trigger: { interval: { everyMs: 5000 } }
      action: { url: "${origin}/health" }
    }
  ) {
    __typename
    ... on Task {
      id
      nextRunAt
    }
    ... on Error {
      message
    }
    ... on InvalidInput {
      problems {
        path
        message
      }
    }
  }
}`,
    `
# The newest tasks, each with its last run.
query Tasks($first: Int = 20, $after: String) {
  tasks(first: $first, after: $after) {
    nodes {
      id
      name
      status
      nextRunAt
      lastRun {
        state
        scheduledFor
        latenessMs
        statusCode
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
    totalCount
  }
}`,
    `
# Every change of every run, live. With a cursor
# as $after: everything since, then live.
subscription RunEvents(
  $taskId: ID
  $after: String
) {
  runEvents(taskId: $taskId, after: $after) {
    ... on RunEvent {
      cursor
      at
      type
      run {
        id
        state
        scheduledFor
        statusCode
        task {
          name
        }
      }
    }
    ... on RunEventsGap {
      cursor
      message
    }
  }
}`,
    `
# When would this trigger fire? Nothing is created.
query PreviewCron {
  previewTrigger(
    trigger: {
      cron: {
        expression: "30 2 * * 1-5"
        timezone: "Europe/Berlin"
      }
    }
    count: 10
  ) {
    __typename
    ... on TriggerPreview {
      description
      instants
    }
    ... on InvalidInput {
      message
      problems {
        path
        message
      }
    }
  }
}`,
  ].map((text) => ({ query: text.trim() + "\n" }));
}
