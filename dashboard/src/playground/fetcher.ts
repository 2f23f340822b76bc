import { createGraphiQLFetcher, type Fetcher, type FetcherParams } from "@graphiql/toolkit";
import { Kind, parse, type DocumentNode } from "graphql";

/**
 * Return a fetcher that sends queries and mutations by POST and subscriptions over a websocket, both to `endpoint`. It sends
 * the headers of a tab, such as that of an API key, with each request and in connection_init of each subscription.
 */
export function fetcherFor(endpoint: URL): Fetcher {
  const socket = new URL(endpoint);
  socket.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";
  const send = createGraphiQLFetcher({
    url: endpoint.href,
    subscriptionUrl: socket.href,
    enableIncrementalDelivery: false,
  });
  return (params, options) => {
    const document = parsed(params.query);
    if (document === null) {
      return send(params, options);
    }
    return send({ ...params, operationName: operationNameIn(document, params) }, { ...options, documentAST: document });
  };
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
 * Return the name of the operation to execute. GraphiQL updates `operationName` a moment after it has shown another tab, and a
 * quick user would execute the operation of the previous tab.
 */
function operationNameIn(document: DocumentNode, { operationName }: FetcherParams): string | null {
  const names = document.definitions
    .filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
    .map((definition) => definition.name?.value);
  return names.find((name) => name === operationName) ?? names[0] ?? null;
}
