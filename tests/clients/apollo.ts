// Runs the documented program with Apollo Client, then reads different parts of one value by two queries.
import assert from "node:assert/strict";

import { requests } from "./strict.ts";

const [folder, program, url] = process.argv.slice(2);
if (folder === undefined || program === undefined || url === undefined) {
  throw new Error("usage: apollo.ts FOLDER PROGRAM URL");
}
await import(program);

const { gql } = await import("@apollo/client");
const { connect } = await import(`${folder}/apollo/client.js`);
const { client, socket } = connect(url);
const CREATE = gql`mutation ($input: CreateTaskInput!) { createTask(input: $input) { ... on Task { id } } }`;
const input = { name: "values", trigger: { oneOff: { delayMs: 3_600_000 } }, action: { url: "http://127.0.0.1/" } };
const { data } = await client.mutate({ mutation: CREATE, variables: { input } });
const variables = { id: data.createTask.id };
const FIRST = gql`query First($id: ID!) { task(id: $id) { id action { url } retry { factor } } metrics { totalRuns } }`;
const SECOND = gql`query Second($id: ID!) { task(id: $id) { id action { method } retry { maxAttempts } } metrics { workers } }`;
await client.query({ query: FIRST, variables });
await client.query({ query: SECOND, variables });
assert.deepEqual(client.readQuery({ query: FIRST, variables })?.task.action.url, "http://127.0.0.1/");

// The first request of a document has its hash alone, the second one both, and from then on the hash is enough.
await client.query({ query: FIRST, variables, fetchPolicy: "network-only" });
const asked = requests.filter(({ operationName }) => operationName === "First");
assert.deepEqual(asked.map(({ query }) => query === undefined), [true, false, true]);
assert(asked.every(({ extensions }) => extensions?.persistedQuery?.sha256Hash));
client.stop();
await socket.dispose();
