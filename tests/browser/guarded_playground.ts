// Opens the playground of a service that asks for keys, and gives it one.
import assert from "node:assert/strict";

import { visiting } from "./browser.ts";
import { open, run, setHeaders, shows, standing } from "./tabs.ts";
const AT_ONCE = { timeout: 5_000 };

export default visiting({ expected: /401 \(Unauthorized\)/ }, async (page, key: string) => {
  await page.goto("/graphql");
  const field = page.getByLabel("requires an API key");
  await field.fill("wrong");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByRole("alert").filter({ hasText: "The key is unknown" }).waitFor();
  assert.equal(await page.locator(".graphiql-container").count(), 0);

  // Once the page has the key, every tab and the documentation have it.
  await field.fill(key);
  await page.getByRole("button", { name: "Show" }).click();
  await standing(page);
  await run(page, "CreateHeartbeat");
  await shows(page, '"__typename": "Task"');
  await run(page, "Tasks");
  await shows(page, '"name": "heartbeat"');
  await run(page, "RunEvents");
  await shows(page, '"type":');
  await page.getByRole("button", { name: "Stop query (Ctrl-Enter)" }).click();

  // A subscription with a wrong key, or with none, says so at once.
  for (const [authorization, reason] of [[`Bearer duetime_${"A".repeat(43)}`, "The key is unknown"], ["", "A key is needed"]]) {
    await open(page, "RunEvents");
    await setHeaders(page, { Authorization: authorization! });
    await page.locator(".graphiql-execute-button").click();
    await shows(page, reason!, AT_ONCE);
  }

  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.locator(".graphiql-doc-explorer", { hasText: "CronTriggerInput" }).waitFor();

  // The key lives as long as the browser's tab.
  await page.reload();
  await standing(page);
  await run(page, "Tasks");
  await shows(page, '"name": "heartbeat"');
  assert(!(await page.evaluate(() => JSON.stringify(localStorage))).includes(key), "the browser keeps the key");
  const other = await page.context().newPage();
  await other.goto("/graphql");
  await other.getByLabel("requires an API key").waitFor();
  await other.close();

  await page.getByRole("button", { name: "Use another API key" }).click();
  await field.waitFor();
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert(!kept.includes(key), "the browser tab keeps a key that it should have forgotten");
});
