// Opens Swagger UI, and makes and lists a task with it.
import type { Page } from "playwright-core";

import { visiting } from "./browser.ts";

const [executablePath, url] = process.argv.slice(2);
if (executablePath === undefined || url === undefined) {
  throw new Error("usage: swagger.ts CHROMIUM URL");
}

await visiting({ executablePath, url }, async (page) => {
  await page.goto(`${url}/swagger/`);
  await page.waitForURL("**/swagger/index.html");
  await page.getByRole("heading", { name: /^Duetime/ }).waitFor();
  await execute(page, "createTask", 201);
  await execute(page, "listTasks", 200);
  await page.locator("#operations-tasks-listTasks .live-responses-table", { hasText: "Website Health Check" }).waitFor();
  await execute(page, "getMetrics", 200, "service");
});

/** Tries an operation out with the example that the page offers, and waits for the status. */
async function execute(page: Page, operation: string, status: number, tag = "tasks"): Promise<void> {
  const block = page.locator(`#operations-${tag}-${operation}`);
  await block.locator(".opblock-summary-control").click();
  await block.getByRole("button", { name: "Try it out" }).click();
  await block.getByRole("button", { name: "Execute" }).click();
  await block.locator(".live-responses-table .response-col_status", { hasText: String(status) }).first().waitFor();
}
