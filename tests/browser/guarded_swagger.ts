// Opens Swagger UI of a service that asks for keys, and shows it one.
import assert from "node:assert/strict";

import { visiting } from "./browser.ts";
import { execute } from "./operations.ts";

export default visiting({ expected: /401 \(Unauthorized\)/ }, async (page, key: string) => {
  await page.goto("/swagger/index.html");
  const field = page.getByLabel("requires an API key");
  await field.fill("wrong");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByRole("alert").filter({ hasText: "key" }).waitFor();
  assert.equal(await page.locator(".swagger-ui").count(), 0);

  await field.fill(key);
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByRole("heading", { name: /^Duetime/ }).waitFor();
  await execute(page, "createTask", 201);

  // The key lives as long as the browser's tab, for both pages.
  await page.goto("/graphql");
  await page.locator(".graphiql-container").waitFor();
  await page.goto("/swagger/index.html");
  await page.getByRole("heading", { name: /^Duetime/ }).waitFor();
  assert(!(await page.evaluate(() => JSON.stringify(localStorage))).includes(key), "the browser keeps the key");
  const other = await page.context().newPage();
  await other.goto("/swagger/index.html");
  await other.getByLabel("requires an API key").waitFor();
});
