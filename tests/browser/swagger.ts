// Opens Swagger UI, and makes and lists a task with it.
import { visiting } from "./browser.ts";
import { execute } from "./operations.ts";

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
