// Renders the documented components with Relay, loads further tasks and runs, and prints what is shown after each step.
// The last change is one that somebody else makes, which the subscription shows.
import { Suspense, createElement } from "react";
import { RelayEnvironmentProvider } from "react-relay";
import { act, create, type ReactTestInstance, type ReactTestRenderer } from "react-test-renderer";

import { requests } from "./strict.ts";

const [folder, url] = process.argv.slice(2);
if (folder === undefined || url === undefined) {
  throw new Error("usage: relay.ts FOLDER URL");
}
const { connect } = await import(`${folder}/relay/environment.js`);
const { Tasks } = await import(`${folder}/relay/Tasks.js`);
Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

const { environment, socket } = connect(url);
const page = createElement(Suspense, { fallback: "loading" }, createElement(Tasks));
let renderer: ReactTestRenderer | undefined;
await act(async () => {
  renderer = create(createElement(RelayEnvironmentProvider, { environment, children: page }));
});
const { root } = renderer!;
const shown = (): string =>
  root
    .findAll(({ type }) => type === "h2" || type === "li")
    .map((each) => each.children.join(""))
    .join(", ");

/** Prints what is shown once that differs from what was shown before. */
async function settled(before: string): Promise<void> {
  while (shown() === before) {
    await act(async () => new Promise((resolve) => setTimeout(resolve, 10)));
  }
  console.log(shown());
}

async function press(text: string): Promise<void> {
  const before = shown();
  const [button] = root.findAll((each: ReactTestInstance) => each.type === "button" && each.children.join("") === text);
  await act(async () => button!.props["onClick"]());
  await settled(before);
}

await settled("");
await press("More runs");
await press("More tasks");
await settled(shown());
console.log(JSON.stringify(requests.map(({ query }) => /^query (\w+)/.exec(query ?? "")?.[1])));
await act(async () => socket.dispose());
process.exit();
