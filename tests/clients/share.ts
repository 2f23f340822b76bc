// Runs three operations over one connection with graphql-sse: a query, a subscription that ends itself after `number`
// events, and a document that is wrong. Prints what each has received, as JSON.
import { createClient } from "graphql-sse";

const [url, cursor, number] = process.argv.slice(2);
if (url === undefined || cursor === undefined) {
  throw new Error("usage: share.ts URL CURSOR NUMBER");
}
const requests: string[] = [];
const client = createClient({
  url,
  singleConnection: true,
  retryAttempts: 0,
  fetchFn: (address: string, options: RequestInit) => {
    requests.push(options.method ?? "GET");
    return fetch(address, options);
  },
});

async function take(query: string, variables: Record<string, unknown>, most: number): Promise<unknown[]> {
  const results = [];
  for await (const result of client.iterate({ query, variables })) {
    results.push(result);
    if (results.length === most) break;
  }
  return results;
}

const [queried, watched, refused] = await Promise.all([
  take("{ __typename }", {}, 10),
  take(
    "subscription ($after: String) { runEvents(after: $after) { ... on RunEvent { attempt } } }",
    { after: cursor },
    Number(number),
  ),
  take("{ nope }", {}, 10),
]);
client.dispose();
console.log(JSON.stringify({ queried, watched, refused, streams: requests.filter((method) => method === "PUT").length }));
