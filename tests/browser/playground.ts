// Opens the playground, runs the operations in its tabs, and sends a key along.
import assert from "node:assert/strict";

import type { Page } from "playwright-core";

import { visiting } from "./browser.ts";
import { open, run, setHeaders, shows, standing } from "./tabs.ts";
const KEY = "Bearer a-key";

export default visiting({}, async (page) => {
  await page.goto("/graphql");
  await standing(page);
  assert.equal(await page.getByLabel("requires an API key").count(), 0);
  assert.equal(await page.getByRole("button", { name: "Use another API key" }).count(), 0);
  await wholeLinesAreShown(page);

  await run(page, "CreateHeartbeat");
  await shows(page, '"__typename": "Task"');
  await run(page, "PreviewCron");
  await shows(page, '"description":');
  await run(page, "Tasks");
  await shows(page, '"name": "heartbeat"');

  // Live: the first run of the task that was made above comes some seconds later.
  await run(page, "RunEvents");
  await shows(page, '"type":');
  await page.getByRole("button", { name: "Stop query (Ctrl-Enter)" }).click();

  // What the headers editor says goes with requests, and into the greeting on the websocket.
  await setHeaders(page, { Authorization: KEY });
  const greeted = page.waitForEvent("websocket").then((socket) => socket.waitForEvent("framesent"));
  await page.locator(".graphiql-execute-button").click();
  assert.deepEqual(JSON.parse(String((await greeted).payload)), {
    type: "connection_init",
    payload: { Authorization: KEY },
  });
  await page.locator(".graphiql-execute-button").click();

  await open(page, "Tasks");
  await setHeaders(page, { Authorization: KEY });
  const asked = page.waitForRequest((request) => request.method() === "POST");
  await page.locator(".graphiql-execute-button").click();
  assert.equal((await asked).headers()["authorization"], KEY);

  // The examples work with the task that was made above.
  await run(page, "RunNow");
  await shows(page, '"__typename": "Run"');
  await run(page, "Pause");
  await shows(page, '"status": "PAUSED"');
  await run(page, "Resume");
  await shows(page, '"status": "SCHEDULED"');
  await run(page, "Delete");
  await shows(page, '"__typename": "DeletedTask"');
  await run(page, "Pause");
  await shows(page, '"__typename": "NotFound"');

  await page.setViewportSize({ width: 390, height: 800 });
  await open(page, "CreateHeartbeat");
  await wholeLinesAreShown(page);
});

/** Checks that no line of the operation goes on beyond the editor, where the toolbar is or nothing at all. */
async function wholeLinesAreShown(page: Page): Promise<void> {
  const excess = (): number => {
    const editor = document.querySelector(".graphiql-query-editor .monaco-scrollable-element")!.getBoundingClientRect();
    const lines = document.querySelectorAll(".graphiql-query-editor .view-line > span");
    return Math.max(...[...lines].map((line) => line.getBoundingClientRect().right)) - editor.right;
  };
  await page.waitForFunction(excess.toString().replace(/^/, "(").replace(/$/, ")() <= 0"));
}
