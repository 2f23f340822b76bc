// Follows runEvents from a cursor on, and is cut off again and again: after every `step` events the connection is broken and
// another one goes on with the last cursor seen. Prints one event a line, as JSON, until there were `number` of them.
import { createClient as overEventStream } from "graphql-sse";
import { createClient as overWebSocket } from "graphql-ws";

interface RunEvent {
  cursor: string;
  attempt: number;
}

const WATCH = `
  subscription Watch($after: String) {
    runEvents(after: $after) { ... on RunEvent { cursor attempt } ... on RunEventsGap { cursor message } }
  }`;

const [transport, url, begin, number, step] = process.argv.slice(2);
if (url === undefined || begin === undefined) {
  throw new Error("usage: watch.ts websocket|event-stream URL CURSOR NUMBER STEP");
}
let after: string = begin;
let left = Number(number);

while (left > 0) {
  const { events, cut } = watch(after);
  let batch = Math.min(Number(step), left);
  for await (const { data, errors } of events) {
    const event = data?.["runEvents"] as RunEvent | undefined;
    if (event === undefined) {
      throw new Error(JSON.stringify(errors));
    }
    console.log(JSON.stringify(event));
    after = event.cursor;
    left -= 1;
    batch -= 1;
    if (batch === 0) {
      cut();
      break;
    }
  }
}

function watch(cursor: string) {
  const operation = { query: WATCH, variables: { after: cursor } };
  if (transport === "websocket") {
    const client = overWebSocket({ url: url!, retryAttempts: 0 });
    return { events: client.iterate(operation), cut: () => client.terminate() };
  }
  const client = overEventStream({ url: url!, retryAttempts: 0 });
  return { events: client.iterate(operation), cut: () => client.dispose() };
}
