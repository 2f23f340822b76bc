// Who looks at the page, and what they may do. What a key may not do is not offered.
import { useQuery } from "urql";

import { graphql } from "./graphql";

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
