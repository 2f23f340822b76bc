import { createGraphiQLFetcher, type Fetcher, type FetcherParams } from "@graphiql/toolkit";
import { Kind, parse, type DocumentNode } from "graphql";

/**
 * Asks by POST, and for subscriptions over a websocket, both at `endpoint`. The headers that a tab names, such as a key's, go
 * with each request, and into connection_init of each subscription.
 */
export function fetcherFor(endpoint: URL): Fetcher {
  const socket = new URL(endpoint);
  socket.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";
  const ask = createGraphiQLFetcher({
    url: endpoint.href,
    subscriptionUrl: socket.href,
    enableIncrementalDelivery: false,
  });
  return (params, options) => {
    const document = parsed(params.query);
    if (document === null) {
      return ask(params, options);
    }
    return ask({ ...params, operationName: nameIn(document, params) }, { ...options, documentAST: document });
  };
}

/** Null when it cannot be read; the service tells what is wrong with it. */
function parsed(query: string): DocumentNode | null {
  try {
    return parse(query);
  } catch {
    return null;
  }
}

/**
 * The name of the operation to execute. GraphiQL takes note of a tab's operations a moment after it has shown the tab, and who
 * is quicker would ask for the former tab's.
 */
function nameIn(document: DocumentNode, { operationName }: FetcherParams): string | null {
  const names = document.definitions
    .filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
    .map((definition) => definition.name?.value);
  return names.find((name) => name === operationName) ?? names[0] ?? null;
}
