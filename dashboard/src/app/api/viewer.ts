// Who looks at the page, and what they may do. What a key may not do is not offered.
import { useQuery } from "urql";

import { client } from "./client";
import { graphql } from "./graphql";
import { question } from "./key";

export type Scope = "READ" | "WRITE" | "ADMIN";

const RANKS: Record<Scope, number> = { READ: 0, WRITE: 1, ADMIN: 2 };

const VIEWER = graphql(`
  query Viewer {
    viewer {
      keysRequired
      keyName
      scope
      expiresAt
    }
  }
`);

question.subscribe(() => {
  if (question.get() === null) {
    // Another key may do other things.
    void client.query(VIEWER, {}, { requestPolicy: "network-only" }).toPromise();
  }
});

/** Return who looks at the page; undefined while that is not known. */
export function useViewer() {
  const [{ data }] = useQuery({ query: VIEWER, requestPolicy: "cache-first" });
  return data?.viewer;
}

/** Return whether the reader's key has a scope, or a wider one. */
export function useMay(scope: Scope): boolean {
  const viewer = useViewer();
  return viewer !== undefined && RANKS[viewer.scope] >= RANKS[scope];
}
