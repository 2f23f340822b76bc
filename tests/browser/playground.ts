// Opens the playground, runs the operations in its tabs, and sends a key along.
import assert from "node:assert/strict";

import type { Page } from "playwright-core";

import { visiting } from "./browser.ts";

const [executablePath, url] = process.argv.slice(2);
if (executablePath === undefined || url === undefined) {
  throw new Error("usage: playground.ts CHROMIUM URL");
}
const KEY = "Bearer a-key";

await visiting({ executablePath, url }, async (page) => {
  await page.goto(url);
  // Before its editors stand, the playground does nothing when it is told to run an operation.
  await page.locator(".graphiql-query-editor .view-line").first().waitFor();
  await page.locator(".result-window .monaco-editor").waitFor();

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

async function open(page: Page, tab: string): Promise<void> {
  await page.getByRole("tab", { name: tab }).click();
}

async function run(page: Page, tab: string): Promise<void> {
  await open(page, tab);
  await page.locator(".graphiql-execute-button").click();
}

/** Waits until the response has the text. The editor shows spaces that do not break. */
async function shows(page: Page, text: string): Promise<void> {
  await page.waitForFunction(
    (wanted) => document.querySelector(".result-window")?.textContent?.replaceAll("\u00a0", " ").includes(wanted),
    text,
  );
}

async function setHeaders(page: Page, headers: Record<string, string>): Promise<void> {
  await page.getByRole("button", { name: "Headers", exact: true }).click();
  await page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden)").click();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.insertText(JSON.stringify(headers));
}
