// What a person does to a run, with a message about what came of it.
import { useMutation } from "urql";

import { graphql } from "./graphql";
import { REFUSAL, tell } from "./refusal";

const RETRY = graphql(
  `
    mutation RetryRun($id: ID!) {
      retryRun(id: $id) {
        __typename
        ... on Run {
          id
          state
        }
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

const CANCEL = graphql(
  `
    mutation CancelRun($id: ID!) {
      cancelRun(id: $id) {
        __typename
        ... on Run {
          id
          state
          finishedAt
          errorMessage
        }
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

/** Return functions that retry and cancel a run. Each returns the run's id, or null if the service refuses. */
export function useRunActions(): { retry: (id: string) => Promise<string | null>; cancel: (id: string) => Promise<string | null> } {
  const [, sendRetry] = useMutation(RETRY);
  const [, sendCancel] = useMutation(CANCEL);
  return {
    async retry(id) {
      const { data, error } = await sendRetry({ id });
      tell(data?.retryRun, error, "The run is retried.");
      return data?.retryRun.__typename === "Run" ? data.retryRun.id : null;
    },
    async cancel(id) {
      const { data, error } = await sendCancel({ id });
      tell(data?.cancelRun, error, "The run is cancelled.");
      return data?.cancelRun.__typename === "Run" ? data.cancelRun.id : null;
    },
  };
}
