// What can be done to the runs that are selected, or that the filter selects.
import { graphql } from "../../api/graphql";
import type { BulkChoice } from "../../bulk/BulkMenu";
import type { RunFilter } from "../../bulk/operations";
import type { SelectionAction } from "../../bulk/Selection";
import { UNFINISHED } from "../../ui/states";

const RETRY = graphql(`
  mutation RetryRuns($ids: [ID!]!) {
    results: retryRuns(ids: $ids) {
      __typename
      ... on Error {
        message
      }
    }
  }
`);

const CANCEL = graphql(`
  mutation CancelRuns($ids: [ID!]!) {
    results: cancelRuns(ids: $ids) {
      __typename
      ... on Error {
        message
      }
    }
  }
`);

export const SELECTION_ACTIONS: readonly SelectionAction[] = [
  { name: "retry", label: "Retry", done: "retried", icon: "retry", asks: null, mutation: RETRY },
  {
    name: "cancel", label: "Cancel", done: "cancelled", icon: "ban", mutation: CANCEL,
    asks: "Calls that are under way are aborted, and nobody knows then whether their targets acted.",
  },
];

/** Return what can be done to all runs of a filter. Without a state in it, those are retried that failed. */
export function bulkChoices(filter: RunFilter): BulkChoice[] {
  const { states } = filter;
  if (states == null) {
    const matching = Object.keys(filter).length > 0 ? " and match" : "";
    return [
      { action: "RETRY", selected: { runs: { ...filter, states: ["FAILED"] } }, words: `all that failed${matching}` },
      { action: "CANCEL_RUNS", selected: { runs: { ...filter, states: [...UNFINISHED] } }, words: `all that are unfinished${matching}` },
    ];
  }
  const isUnfinished = states.every((state) => UNFINISHED.has(state));
  return [{ action: isUnfinished ? "CANCEL_RUNS" : "RETRY", selected: { runs: filter }, words: "all that match" }];
}
