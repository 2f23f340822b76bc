// What a person does to a task, with a message about what came of it and, where that is possible, a way to undo it.
import { useMutation } from "urql";

import { graphql } from "./graphql";
import { REFUSAL, tell } from "./refusal";

const TASK_STATE = graphql(`
  fragment TaskState on Task {
    id
    status
    nextRunAt
    pausedAt
    pausedBy
    pauseReason
    version
  }
`);

const RUN_TASK = graphql(
  `
    mutation RunTask($id: ID!, $input: RunTaskInput) {
      runTask(id: $id, input: $input) {
        __typename
        ... on Run {
          id
        }
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

const PAUSE = graphql(
  `
    mutation PauseTask($id: ID!, $reason: String) {
      pauseTask(id: $id, reason: $reason) {
        __typename
        ...TaskState
        ...Refusal
      }
    }
  `,
  [TASK_STATE, REFUSAL],
);

const RESUME = graphql(
  `
    mutation ResumeTask($id: ID!) {
      resumeTask(id: $id) {
        __typename
        ...TaskState
        ...Refusal
      }
    }
  `,
  [TASK_STATE, REFUSAL],
);

const CANCEL = graphql(
  `
    mutation CancelTask($id: ID!) {
      cancelTask(id: $id) {
        __typename
        ...TaskState
        ...Refusal
      }
    }
  `,
  [TASK_STATE, REFUSAL],
);

const DELETE = graphql(
  `
    mutation DeleteTask($id: ID!) {
      deleteTask(id: $id) {
        __typename
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

interface RunInput {
  payload?: unknown;
}

/** Return functions that change a task. Each returns whether it did, and runTask the id of the new run or null. */
export function useTaskActions() {
  const [, runTask] = useMutation(RUN_TASK);
  const [, pauseTask] = useMutation(PAUSE);
  const [, resumeTask] = useMutation(RESUME);
  const [, cancelTask] = useMutation(CANCEL);
  const [, deleteTask] = useMutation(DELETE);

  const actions = {
    async run(id: string, input?: RunInput): Promise<string | null> {
      const { data, error } = await runTask({ id, input: input ?? null });
      tell(data?.runTask, error, "The task runs now.");
      return data?.runTask.__typename === "Run" ? data.runTask.id : null;
    },
    async pause(id: string, reason: string | null = null): Promise<boolean> {
      const { data, error } = await pauseTask({ id, reason });
      return tell(data?.pauseTask, error, "The task is paused.", () => void actions.resume(id));
    },
    async resume(id: string): Promise<boolean> {
      const { data, error } = await resumeTask({ id });
      return tell(data?.resumeTask, error, "The task is resumed.", () => void actions.pause(id));
    },
    async cancel(id: string): Promise<boolean> {
      const { data, error } = await cancelTask({ id });
      return tell(data?.cancelTask, error, "The task is cancelled.");
    },
    async remove(id: string): Promise<boolean> {
      const { data, error } = await deleteTask({ id });
      return tell(data?.deleteTask, error, "The task is deleted.");
    },
  };
  return actions;
}
