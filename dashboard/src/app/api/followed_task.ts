// Follows what happens to the runs of one task.
import { useEffect, useRef } from "react";

import { graphql, type ResultOf } from "./graphql";
import { follow } from "./live";

const TASK_EVENTS = graphql(`
  subscription TaskEvents($taskId: ID!) {
    runEvents(taskId: $taskId) {
      __typename
      ... on RunEvent {
        cursor
        runId
        type
      }
    }
  }
`);

const TASK_CHANGES = graphql(`
  subscription TaskChanges($taskId: ID!) {
    taskChanged(taskId: $taskId) {
      __typename
    }
  }
`);

type Message = ResultOf<typeof TASK_EVENTS>["runEvents"];
type Event = Extract<Message, { __typename: "RunEvent" }>;

/**
 * Call a function at each event of a run of a task, and with null when events may have been missed, and when the definition
 * changes. Follows nothing while the id is null.
 */
export function useFollowedTask(taskId: string | null, onEvent: (event: Event | null) => void): void {
  const latest = useRef(onEvent);
  useEffect(() => {
    latest.current = onEvent;
  });
  useEffect(() => {
    if (taskId === null) {
      return;
    }
    const stops = [
      follow(TASK_EVENTS, {
        variables: () => ({ taskId }),
        onData: ({ runEvents }) => latest.current(runEvents.__typename === "RunEvent" ? runEvents : null),
        onConnection: (connection) => {
          if (connection === "open") {
            latest.current(null);
          }
        },
      }),
      follow(TASK_CHANGES, { variables: () => ({ taskId }), onData: () => latest.current(null) }),
    ];
    return () => stops.forEach((stop) => stop());
  }, [taskId]);
}
