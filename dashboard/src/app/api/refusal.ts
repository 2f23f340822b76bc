// Why a mutation did not do what it was asked for.
import type { CombinedError } from "@urql/core";

import type { Problem } from "../forms/problems";
import { toast } from "../ui/Toasts";
import type { Refusal } from "../ui/useRefusal";
import { failure } from "./client";
import { graphql } from "./graphql";

export const REFUSAL = graphql(`
  fragment Refusal on Error {
    __typename
    message
    ... on InvalidInput {
      problems {
        path
        message
      }
    }
  }
`);

/** What a mutation returns: what it made or changed, or one of the types of Error. */
type Result = { __typename: string; message?: string };

/** Return why nothing was done, or null if it was, with a message about that if there is one. */
export function refusalOf(
  result: (Result & { problems?: readonly Problem[] }) | undefined,
  error: CombinedError | undefined,
  done?: string,
): Refusal | null {
  if (result?.problems !== undefined) {
    return { problems: result.problems };
  }
  const message = result === undefined ? failure(error) : result.message;
  if (message !== undefined) {
    return { message };
  }
  if (done !== undefined) {
    toast(done);
  }
  return null;
}

/** Show a message about what came of a mutation, and return whether it was done. `undo` reverts it. */
export function tell(result: Result | undefined, error: CombinedError | undefined, done: string, undo?: () => void): boolean {
  const reason = result === undefined ? failure(error) : result.message;
  if (reason === undefined) {
    toast(done, undo === undefined ? {} : { undo });
    return true;
  }
  toast(reason, { tone: "bad" });
  return false;
}
