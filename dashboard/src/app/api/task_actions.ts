// What a person does to a task, with a message about what came of it and, where that is possible, a way to undo it.
import { useMutation } from "urql";

import { toast } from "../ui/Toasts";
import { words } from "./client";
import { graphql } from "./graphql";

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

const RUN_TASK = graphql(`
  mutation RunTask($id: ID!, $input: RunTaskInput) {
    runTask(id: $id, input: $input) {
      __typename
      ... on Run {
        id
      }
      ... on Error {
        message
      }
    }
  }
`);

const PAUSE = graphql(
  `
    mutation PauseTask($id: ID!, $reason: String) {
      pauseTask(id: $id, reason: $reason) {
        __typename
        ...TaskState
        ... on Error {
          message
        }
      }
    }
  `,
  [TASK_STATE],
);

const RESUME = graphql(
  `
    mutation ResumeTask($id: ID!) {
      resumeTask(id: $id) {
        __typename
        ...TaskState
        ... on Error {
          message
        }
      }
    }
  `,
  [TASK_STATE],
);

const CANCEL = graphql(
  `
    mutation CancelTask($id: ID!) {
      cancelTask(id: $id) {
        __typename
        ...TaskState
        ... on Error {
          message
        }
      }
    }
  `,
  [TASK_STATE],
);

const DELETE = graphql(`
  mutation DeleteTask($id: ID!) {
    deleteTask(id: $id) {
      __typename
      ... on DeletedTask {
        taskId
      }
      ... on Error {
        message
      }
    }
  }
`);

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
      const result = data?.runTask;
      if (result?.__typename === "Run") {
        toast("The task runs now.");
        return result.id;
      }
      refused(result, error && words(error));
      return null;
    },
    async pause(id: string, reason: string | null = null): Promise<boolean> {
      const { data, error } = await pauseTask({ id, reason });
      if (data?.pauseTask.__typename === "Task") {
        toast("The task is paused.", { undo: () => void actions.resume(id) });
        return true;
      }
      return refused(data?.pauseTask, error && words(error));
    },
    async resume(id: string): Promise<boolean> {
      const { data, error } = await resumeTask({ id });
      if (data?.resumeTask.__typename === "Task") {
        toast("The task is resumed.", { undo: () => void actions.pause(id) });
        return true;
      }
      return refused(data?.resumeTask, error && words(error));
    },
    async cancel(id: string): Promise<boolean> {
      const { data, error } = await cancelTask({ id });
      if (data?.cancelTask.__typename === "Task") {
        toast("The task is cancelled.");
        return true;
      }
      return refused(data?.cancelTask, error && words(error));
    },
    async remove(id: string): Promise<boolean> {
      const { data, error } = await deleteTask({ id });
      if (data?.deleteTask.__typename === "DeletedTask") {
        toast("The task is deleted.");
        return true;
      }
      return refused(data?.deleteTask, error && words(error));
    },
  };
  return actions;
}

function refused(result: object | undefined, error: string | undefined): false {
  const message = result !== undefined && "message" in result ? String(result.message) : error;
  toast(message ?? "The service did not answer.", { tone: "bad" });
  return false;
}
