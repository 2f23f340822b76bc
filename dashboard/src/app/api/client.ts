// The client for queries and mutations, with a normalised cache: a change of one item shows wherever the item is shown.
import { Client, fetchExchange, type CombinedError } from "@urql/core";
import { cacheExchange, type Cache, type FieldArgs } from "@urql/exchange-graphcache";
import { possibleTypes, valueTypes } from "virtual:schema";

import { authorization, keptKey } from "../../key/storage";
import { endpoint } from "../address";
import { askForKey } from "./key";
import { optimistic } from "./optimistic";

const withoutKey = (): null => null;

/** Return the object with an id, which another query may have read, or null if the service has said that there is none. */
function found(store: Cache, __typename: string, field: string, args: Record<string, unknown>): { __typename: string; id: string } | null | undefined {
  if (store.resolve("Query", field, args as FieldArgs) === null) {
    return null;
  }
  return typeof args["id"] === "string" ? { __typename, id: args["id"] } : undefined;
}

const cache = cacheExchange({
  possibleTypes,
  optimistic,
  keys: Object.fromEntries(valueTypes.map((name) => [name, withoutKey])),
  updates: {
    Mutation: {
      // A page that lists operations lists a new one at once.
      bulk: (_result, { dryRun }, store) => {
        if (dryRun !== true) {
          const lists = store.inspectFields("Query").filter(({ fieldName }) => fieldName === "bulkOperations");
          lists.forEach(({ fieldKey }) => store.invalidate("Query", fieldKey));
        }
      },
    },
  },
  resolvers: {
    Query: {
      task: (_parent, args, store) => found(store, "Task", "task", args),
      run: (_parent, args, store) => found(store, "Run", "run", args),
    },
  },
});

/** Send a request with the key of this tab, and again with another one for as long as the service refuses the key. */
async function fetchWithKey(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  for (;;) {
    const key = keptKey();
    const headers = { ...(init?.headers as Record<string, string> | undefined), ...authorization(key) };
    const response = await fetch(input, { ...init, headers });
    if (response.status !== 401) {
      return response;
    }
    const { errors } = (await response.json()) as { errors: [{ message: string }] };
    // Another request may have got a new key meanwhile.
    if (keptKey() === key) {
      await askForKey(errors[0].message);
    }
  }
}

export const client = new Client({
  url: endpoint.href,
  preferGetMethod: false,
  fetch: fetchWithKey,
  requestPolicy: "cache-and-network",
  // The default also names streams, and the service would send one.
  fetchOptions: { headers: { Accept: "application/graphql-response+json, application/json" } },
  exchanges: [cache, fetchExchange],
});

/** Return what an error says, for people. */
export function words(error: CombinedError): string {
  if (error.networkError !== undefined && error.graphQLErrors.length === 0) {
    return "The service cannot be reached. Check that it is running, and your connection to it.";
  }
  return error.graphQLErrors.map(({ message }) => message).join(" ");
}

/** Return why a mutation has no result, for people. */
export function failure(error: CombinedError | undefined): string {
  if (error === undefined || (error.networkError !== undefined && error.graphQLErrors.length === 0)) {
    return "The service does not answer, so it may not have saved this. Check that it is running, and try again.";
  }
  return words(error);
}
