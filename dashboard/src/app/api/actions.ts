// What a person does to a run, with a message about what came of it.
import { useMutation } from "urql";

import { toast } from "../ui/Toasts";
import { words } from "./client";
import { graphql } from "./graphql";

const RETRY = graphql(`
  mutation RetryRun($id: ID!) {
    retryRun(id: $id) {
      __typename
      ... on Run {
        id
        state
      }
      ... on Error {
        message
      }
    }
  }
`);

const CANCEL = graphql(`
  mutation CancelRun($id: ID!) {
    cancelRun(id: $id) {
      __typename
      ... on Run {
        id
        state
        finishedAt
        errorMessage
      }
      ... on Error {
        message
      }
    }
  }
`);

/** Return functions that retry and cancel a run. They return the run's id, or null if the service refuses. */
export function useRunActions(): { retry: (id: string) => Promise<string | null>; cancel: (id: string) => Promise<string | null> } {
  const [, sendRetry] = useMutation(RETRY);
  const [, sendCancel] = useMutation(CANCEL);
  return {
    async retry(id) {
      const { data, error } = await sendRetry({ id });
      return settled(data?.retryRun, error && words(error), "The run is retried.");
    },
    async cancel(id) {
      const { data, error } = await sendCancel({ id });
      return settled(data?.cancelRun, error && words(error), "The run is cancelled.");
    },
  };
}

type Result = { __typename: "Run"; id: string } | { __typename: "InvalidInput" | "NotFound" | "Conflict"; message: string };

function settled(result: Result | undefined, error: string | undefined, done: string): string | null {
  if (result?.__typename === "Run") {
    toast(done);
    return result.id;
  }
  toast(result?.message ?? error ?? "The service did not answer.", { tone: "bad" });
  return null;
}
