// What can be done to the tasks that are selected, or that the filter selects.
import { graphql } from "../../api/graphql";
import type { BulkChoice } from "../../bulk/BulkMenu";
import type { BulkAction } from "../../bulk/operations";
import type { SelectionAction } from "../../bulk/Selection";
import type { TaskStatus } from "../../ui/states";
import type { TaskFilter } from "./filter";

const RUN = graphql(`
  mutation RunTasks($ids: [ID!]!) {
    results: runTasks(ids: $ids) {
      __typename
      ... on Error {
        message
      }
    }
  }
`);

const PAUSE = graphql(`
  mutation PauseTasks($ids: [ID!]!) {
    results: pauseTasks(ids: $ids) {
      __typename
      ... on Error {
        message
      }
    }
  }
`);

const RESUME = graphql(`
  mutation ResumeTasks($ids: [ID!]!) {
    results: resumeTasks(ids: $ids) {
      __typename
      ... on Error {
        message
      }
    }
  }
`);

const CANCEL = graphql(`
  mutation CancelTasks($ids: [ID!]!) {
    results: cancelTasks(ids: $ids) {
      __typename
      ... on Error {
        message
      }
    }
  }
`);

const DELETE = graphql(`
  mutation DeleteTasks($ids: [ID!]!) {
    results: deleteTasks(ids: $ids) {
      __typename
      ... on Error {
        message
      }
    }
  }
`);

const CHOICES: readonly BulkAction[] = ["RUN", "PAUSE", "RESUME", "CANCEL", "DELETE"];

/** Return what can be done to all tasks of a filter. */
export function bulkChoices(tasks: TaskFilter): BulkChoice[] {
  const words = Object.keys(tasks).length > 0 ? "all that match" : "all tasks";
  return CHOICES.map((action) => ({ action, selected: { tasks }, words }));
}

/** Return what can be done to selected tasks. `assume` shows a status before the service has answered. */
export function selectionActions(
  assume: (ids: readonly string[], status: TaskStatus) => (refused: readonly string[]) => void,
): readonly SelectionAction[] {
  const pause: SelectionAction = {
    name: "pause", label: "Pause", done: "paused", icon: "pause", asks: null, mutation: PAUSE, assume: (ids) => assume(ids, "PAUSED"),
  };
  const resume: SelectionAction = {
    name: "resume", label: "Resume", done: "resumed", icon: "retry", asks: null, mutation: RESUME, assume: (ids) => assume(ids, "SCHEDULED"),
  };
  return [
    { name: "run", label: "Run now", done: "started", icon: "play", asks: null, mutation: RUN },
    { ...pause, undo: resume },
    { ...resume, undo: pause },
    { name: "cancel", label: "Cancel", done: "cancelled", icon: "ban", asks: "A cancelled task never runs again by its schedule.", mutation: CANCEL },
    { name: "delete", label: "Delete", done: "deleted", icon: "trash", asks: "The tasks and their runs are gone then. This cannot be undone.", mutation: DELETE },
  ];
}
