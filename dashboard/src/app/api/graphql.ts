// `graphql` types an operation by schema.d.ts, which `make check-pages` writes from ../../../../schema.graphql.
import { initGraphQLTada } from "gql.tada";

import type { introspection } from "./schema";

export const graphql = initGraphQLTada<{
  introspection: introspection;
  disableMasking: true;
  scalars: { Count: number; DateTime: string; JSON: unknown; Milliseconds: number };
}>();

export type { FragmentOf, ResultOf, VariablesOf } from "gql.tada";
