// Runs the documented program with urql, then reads different parts of one value by two queries.
import assert from "node:assert/strict";

import { requests } from "./strict.ts";

const [folder, program, url] = process.argv.slice(2);
if (folder === undefined || program === undefined || url === undefined) {
  throw new Error("usage: urql.ts FOLDER PROGRAM URL");
}
await import(program);

const { connect } = await import(`${folder}/urql/client.js`);
const { client, socket } = connect(url);
const CREATE = "mutation ($input: CreateTaskInput!) { createTask(input: $input) { ... on Task { id } } }";
const input = { name: "values", trigger: { oneOff: { delayMs: 3_600_000 } }, action: { url: "http://127.0.0.1/" } };
const { data } = await client.mutation(CREATE, { input }).toPromise();
const variables = { id: data.createTask.id };
const FIRST = "query First($id: ID!) { task(id: $id) { id action { url } retry { factor } } metrics { totalRuns } }";
const SECOND = "query Second($id: ID!) { task(id: $id) { id action { method } retry { maxAttempts } } metrics { workers } }";
const ask = async (query: string) => {
  const { data, error } = await client.query(query, variables, { requestPolicy: "network-only" }).toPromise();
  assert.equal(error, undefined);
  return data;
};
await ask(FIRST);
await ask(SECOND);
assert.equal(client.readQuery(FIRST, variables).data.task.action.url, "http://127.0.0.1/");

await ask(FIRST);
const asked = requests.filter(({ operationName }) => operationName === "First");
assert.deepEqual([asked[0], asked[1], asked.at(-1)].map((request) => !request?.query), [true, false, true]);
assert(asked.every(({ extensions }) => extensions?.persistedQuery?.sha256Hash));
await socket.dispose();
