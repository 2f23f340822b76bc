// Operations on many tasks or runs at once, which workers do in their own time.
import { graphql, type ResultOf, type VariablesOf } from "../api/graphql";
import { REFUSAL } from "../api/refusal";
import type { IconName } from "../ui/icons";

export const OPERATION = graphql(`
  fragment Operation on BulkOperation {
    id
    action
    state
    total
    done
    succeeded
    refused
    problems {
      id
      message
    }
  }
`);

export const BULK = graphql(
  `
    mutation Bulk($action: BulkAction!, $tasks: TaskFilter, $runs: RunFilter, $dryRun: Boolean!) {
      bulk(action: $action, tasks: $tasks, runs: $runs, dryRun: $dryRun) {
        __typename
        ...Operation
        ...Refusal
      }
    }
  `,
  [OPERATION, REFUSAL],
);

export const PROGRESS = graphql(
  `
    subscription BulkProgress($id: ID!) {
      bulkProgress(id: $id) {
        ...Operation
      }
    }
  `,
  [OPERATION],
);

export const NEWEST = graphql(
  `
    query BulkOperations {
      bulkOperations(first: 10) {
        ...Operation
      }
    }
  `,
  [OPERATION],
);

export const STOP = graphql(
  `
    mutation CancelBulkOperation($id: ID!) {
      cancelBulkOperation(id: $id) {
        __typename
        ...Operation
        ...Refusal
      }
    }
  `,
  [OPERATION, REFUSAL],
);

export type Operation = ResultOf<typeof OPERATION>;
export type BulkAction = Operation["action"];
export type TaskFilter = NonNullable<VariablesOf<typeof BULK>["tasks"]>;
export type RunFilter = NonNullable<VariablesOf<typeof BULK>["runs"]>;
/** What an operation is for: the tasks or the runs that a filter selects. */
export type Selected = { tasks: TaskFilter } | { runs: RunFilter };

interface Look {
  verb: string;
  doing: string;
  icon: IconName;
  noun: "task" | "run";
  /** What cannot be undone; null if all can. */
  warning: string | null;
}

export const ACTIONS: Record<BulkAction, Look> = {
  RUN: { verb: "Run", doing: "Running", icon: "play", noun: "task", warning: null },
  PAUSE: { verb: "Pause", doing: "Pausing", icon: "pause", noun: "task", warning: null },
  RESUME: { verb: "Resume", doing: "Resuming", icon: "retry", noun: "task", warning: null },
  CANCEL: { verb: "Cancel", doing: "Cancelling", icon: "ban", noun: "task", warning: "Cancelled tasks never run again by their schedules." },
  DELETE: { verb: "Delete", doing: "Deleting", icon: "trash", noun: "task", warning: "The tasks and their runs are gone then. This cannot be undone." },
  RETRY: { verb: "Retry", doing: "Retrying", icon: "retry", noun: "run", warning: null },
  CANCEL_RUNS: {
    verb: "Cancel", doing: "Cancelling", icon: "ban", noun: "run",
    warning: "Calls that are under way are aborted, and nobody knows then whether their targets acted. This cannot be undone.",
  },
};

/** Return a number of tasks or runs in words. */
export function counted(number: number | undefined, noun: Look["noun"]): string {
  return number === undefined ? `${noun}s` : `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
