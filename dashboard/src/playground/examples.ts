// The operations that a first visitor finds in the tabs: each runs as it stands.

export interface Example {
  query: string;
  variables?: string;
}

const query = (text: string): string => text.trim() + "\n";
const json = (value: unknown): string => JSON.stringify(value, null, 2);

/** `origin`: where Duetime itself is found, so that the first task has something to call. */
export function examples(origin: string): Example[] {
  return [
    {
      query: query(`
# A task that calls every five seconds. Run it, then look at the next tabs.
mutation CreateHeartbeat($input: CreateTaskInput!) {
  createTask(input: $input) {
    __typename
    ... on Task {
      id
      name
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
}`),
      variables: json({
        input: {
          name: "heartbeat",
          trigger: { interval: { everyMs: 5000 } },
          action: { url: `${origin}/health` },
        },
      }),
    },
    {
      query: query(`
# The tasks, newest first, and how the last run of each went.
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
}`),
    },
    {
      query: query(`
# Every change of every run, live. Give the last cursor as $after to go on where you were cut off.
subscription RunEvents($taskId: ID, $after: String) {
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
}`),
    },
    {
      query: query(`
# When would it fire? Nothing is created.
query PreviewCron($trigger: TriggerInput!) {
  previewTrigger(trigger: $trigger, count: 10) {
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
}`),
      variables: json({ trigger: { cron: { expression: "30 2 * * 1-5", timezone: "Europe/Berlin" } } }),
    },
  ];
}
