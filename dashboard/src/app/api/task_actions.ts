// What a person does to a task, with a message about what came of it and, where that is possible, a way to undo it.
import { useMutation } from "urql";

import type { Refusal } from "../ui/useRefusal";
import { graphql } from "./graphql";
import { REFUSAL, refusalOf, tell } from "./refusal";

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

const RUNS_NOW = "The task runs now.";

/** Return functions that change a task. Some show a message when the service refuses; those for dialogs return why. */
export function useTaskActions() {
  const [, runTask] = useMutation(RUN_TASK);
  const [, pauseTask] = useMutation(PAUSE);
  const [, resumeTask] = useMutation(RESUME);
  const [, cancelTask] = useMutation(CANCEL);
  const [, deleteTask] = useMutation(DELETE);

  const actions = {
    async run(id: string): Promise<string | null> {
      const { data, error } = await runTask({ id, input: null });
      tell(data?.runTask, error, RUNS_NOW);
      return data?.runTask.__typename === "Run" ? data.runTask.id : null;
    },
    /** Run a task with another body, and call a function with the id of the run. */
    async runWith(id: string, payload: unknown, onRun: (runId: string) => void): Promise<Refusal | null> {
      const { data, error } = await runTask({ id, input: { payload } });
      if (data?.runTask.__typename === "Run") {
        onRun(data.runTask.id);
      }
      return refusalOf(data?.runTask, error, RUNS_NOW);
    },
    async pause(id: string, reason: string | null = null): Promise<boolean> {
      const { data, error } = await pauseTask({ id, reason });
      return tell(data?.pauseTask, error, "The task is paused.", () => void actions.resume(id));
    },
    async resume(id: string): Promise<boolean> {
      const { data, error } = await resumeTask({ id });
      return tell(data?.resumeTask, error, "The task is resumed.", () => void actions.pause(id));
    },
    async cancel(id: string): Promise<Refusal | null> {
      const { data, error } = await cancelTask({ id });
      return refusalOf(data?.cancelTask, error, "The task is cancelled.");
    },
    async remove(id: string): Promise<Refusal | null> {
      const { data, error } = await deleteTask({ id });
      return refusalOf(data?.deleteTask, error, "The task is deleted.");
    },
  };
  return actions;
}
