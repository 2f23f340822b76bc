// Opens the dashboard of a service that asks for keys, and gives it one.
import assert from "node:assert/strict";

import { accessible } from "./accessible.ts";
import { visiting } from "./browser.ts";

export default visiting({ expected: /401 \(Unauthorized\)/ }, async (page, key: string) => {
  await page.goto("/");
  const field = page.getByLabel("requires an API key");
  await field.waitFor();
  await accessible(page);
  await field.fill("wrong");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("alert").filter({ hasText: "The key is unknown" }).waitFor();
  await field.fill(key);
  await page.getByRole("button", { name: "Continue" }).click();
  await field.waitFor({ state: "detached" });

  // The key lives as long as the browser's tab, and the playground has it too.
  await page.reload();
  await page.getByRole("status").filter({ hasText: "All is well." }).waitFor();
  assert.equal(await field.count(), 0);
  assert(!(await page.evaluate(() => JSON.stringify(localStorage))).includes(key), "the browser keeps the key");
  const other = await page.context().newPage();
  await other.goto("/");
  await other.getByLabel("requires an API key").waitFor();

  // What the key may do is known, and another one can be used in its place.
  await page.getByRole("button", { name: "Forget it" }).click();
  await field.waitFor();
  assert(!(await page.evaluate(() => JSON.stringify(sessionStorage))).includes(key), "the tab keeps the key");
});
