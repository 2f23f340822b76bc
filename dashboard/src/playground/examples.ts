// The operations in the tabs of a first visit. Each one runs as it is: the page gives those of a task the id of the task that was
// created last, because GraphiQL shows no variables in its default tabs.

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
      action: {
        url: "${origin}/health"
      }
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
# Runs the task now, beside its schedule.
# $id: without a value, the task created last.
mutation RunNow($id: ID!) {
  runTask(id: $id) {
    __typename
    ... on Run {
      id
      state
      scheduledFor
    }
    ... on Error {
      message
    }
  }
}`,
    `
# Pauses the task: it fires no more.
# $id: without a value, the task created last.
mutation Pause($id: ID!) {
  pauseTask(id: $id) {
    __typename
    ... on Task {
      id
      name
      status
    }
    ... on Error {
      message
    }
  }
}`,
    `
# Resumes the paused task.
# $id: without a value, the task created last.
mutation Resume($id: ID!) {
  resumeTask(id: $id) {
    __typename
    ... on Task {
      id
      name
      status
      nextRunAt
    }
    ... on Error {
      message
    }
  }
}`,
    `
# Deletes the task and its runs.
# $id: without a value, the task created last.
mutation Delete($id: ID!) {
  deleteTask(id: $id) {
    __typename
    ... on DeletedTask {
      taskId
    }
    ... on Error {
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
