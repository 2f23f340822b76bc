// Opens the playground of a service that asks for keys, and shows it one in the headers of each tab.
import assert from "node:assert/strict";

import type { Page } from "playwright-core";

import { visiting } from "./browser.ts";
import { open, run, setHeaders, shows, standing } from "./tabs.ts";

const [executablePath, url, key] = process.argv.slice(2);
if (executablePath === undefined || url === undefined || key === undefined) {
  throw new Error("usage: guarded_playground.ts CHROMIUM URL KEY");
}
const headers = { Authorization: `Bearer ${key}` };

await visiting({ executablePath, url, expected: /401 \(Unauthorized\)/ }, async (page) => {
  await page.goto(url);
  await standing(page);
  await run(page, "Tasks");
  await shows(page, '"code": "UNAUTHENTICATED"');

  await withKey(page, "CreateHeartbeat");
  await shows(page, '"__typename": "Task"');
  await withKey(page, "Tasks");
  await shows(page, '"name": "heartbeat"');
  await withKey(page, "RunEvents");
  await shows(page, '"type":');
  await page.getByRole("button", { name: "Stop query (Ctrl-Enter)" }).click();

  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert(!kept.includes(key), "the browser keeps the key");
});

async function withKey(page: Page, tab: string): Promise<void> {
  await open(page, tab);
  await setHeaders(page, headers);
  await page.locator(".graphiql-execute-button").click();
}
