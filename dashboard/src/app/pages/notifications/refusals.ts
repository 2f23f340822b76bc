// What a mutation of notifications came to.
import type { CombinedError } from "@urql/core";

import { failure } from "../../api/client";
import type { Problem } from "../../forms/problems";
import type { Refusal } from "../../ui/useRefusal";

type Result =
  | { __typename: "InvalidInput"; message: string; problems: readonly Problem[] }
  | { __typename: "NotFound" | "Conflict"; message: string }
  | { __typename: "Channel" | "NotificationRule" };

/** Return why nothing was saved, or null if it was. */
export function refusalOf(result: Result | undefined, error: CombinedError | undefined): Refusal | null {
  switch (result?.__typename) {
    case undefined:
      return { message: failure(error) };
    case "InvalidInput":
      return { problems: result.problems };
    case "NotFound":
    case "Conflict":
      return { message: result.message };
    default:
      return null;
  }
}
