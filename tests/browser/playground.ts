// Opens the playground, runs the operations in its tabs, and sends a key along.
import assert from "node:assert/strict";

import { visiting } from "./browser.ts";
import { open, run, setHeaders, shows, standing } from "./tabs.ts";

const [executablePath, url] = process.argv.slice(2);
if (executablePath === undefined || url === undefined) {
  throw new Error("usage: playground.ts CHROMIUM URL");
}
const KEY = "Bearer a-key";

await visiting({ executablePath, url }, async (page) => {
  await page.goto(url);
  await standing(page);

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
});
