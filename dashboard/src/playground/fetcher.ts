import { createGraphiQLFetcher, type Fetcher, type FetcherParams } from "@graphiql/toolkit";
import { Kind, OperationTypeNode, parse, type DocumentNode, type ExecutionResult, type OperationDefinitionNode } from "graphql";
import { createClient, type Client } from "graphql-ws";

import { authorization } from "../key/storage";
import { remember, withTask } from "./last-task";

/** The code with which the API closes a WebSocket whose key it does not accept. */
const FORBIDDEN = 4403;

/**
 * Return a fetcher that sends queries and mutations by POST and subscriptions over a websocket, both to `endpoint`. It sends
 * the key and the headers of a tab, which come before the key, with each request and in connection_init of each subscription.
 */
export function fetcherFor(endpoint: URL, key: string | null): Fetcher {
  const socket = new URL(endpoint);
  socket.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";
  const post = createGraphiQLFetcher({ url: endpoint.href, enableIncrementalDelivery: false });
  return async (params, given) => {
    const headers = withHeaders(authorization(key), given?.headers ?? {});
    const document = parsed(params.query);
    const operation = document === null ? undefined : operationIn(document, params);
    if (document === null || operation === undefined) {
      return post(params, { ...given, headers });
    }
    const sent = {
      ...params,
      operationName: operation.name?.value ?? null,
      variables: withTask(operation, params.variables as Record<string, unknown> | undefined),
    };
    if (operation.operation !== OperationTypeNode.SUBSCRIPTION) {
      const result = await post(sent, { ...given, headers, documentAST: document });
      remember(result);
      return result;
    }
    const client = createClient({
      url: socket.href,
      connectionParams: headers,
      // A key that the API does not accept will not be accepted later, and the user has to learn of it now.
      shouldRetry: (event) => event instanceof CloseEvent && event.code !== FORBIDDEN,
    });
    return subscribe(client, sent);
  };
}

type Result = ExecutionResult<Record<string, unknown>, Record<string, unknown>>;

/** Return the results of a subscription. They end with an error that says why the API has closed the websocket. */
function subscribe(client: Client, { query, variables, operationName }: FetcherParams): AsyncIterableIterator<Result> {
  const payload = { query, operationName: operationName ?? null, variables: variables as Record<string, unknown> | null };
  const results = client.iterate<Record<string, unknown>, Record<string, unknown>>(payload);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () =>
      (results.next() as Promise<IteratorResult<Result>>).catch((error: unknown) => {
        throw error instanceof CloseEvent ? new Error(`${error.reason || "The connection was lost"} (${error.code})`) : error;
      }),
    return: () => results.return!() as Promise<IteratorResult<Result>>,
  };
}

/** Return headers with those of a tab in place of others of the same name, in any case. */
function withHeaders(headers: Record<string, string>, ofTab: Record<string, string>): Record<string, string> {
  const names = new Set(Object.keys(ofTab).map((name) => name.toLowerCase()));
  const others = Object.entries(headers).filter(([name]) => !names.has(name.toLowerCase()));
  return { ...Object.fromEntries(others), ...ofTab };
}

/** Return the parsed document, or null if it is invalid. The API then responds with the syntax error. */
function parsed(query: string): DocumentNode | null {
  try {
    return parse(query);
  } catch {
    return null;
  }
}

/**
 * Return the operation to execute. GraphiQL updates `operationName` a moment after it has shown another tab, and a quick user
 * would execute the operation of the previous tab.
 */
function operationIn(document: DocumentNode, { operationName }: FetcherParams): OperationDefinitionNode | undefined {
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  return operations.find(({ name }) => name?.value === operationName) ?? operations[0];
}
