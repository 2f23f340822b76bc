// Opens Swagger UI, and makes and lists a task with it, in light and in dark colours.
import assert from "node:assert/strict";

import { visiting } from "./browser.ts";
import { execute } from "./operations.ts";

export default visiting({}, async (page) => {
  await page.goto("/swagger/");
  await page.waitForURL("**/swagger/index.html");
  await page.getByRole("heading", { name: /^Duetime/ }).waitFor();
  await execute(page, "createTask", 201);
  await execute(page, "listTasks", 200);
  await page.locator("#operations-tasks-listTasks .live-responses-table", { hasText: "Website Health Check" }).waitFor();
  await execute(page, "getMetrics", 200, "service");

  // Without keys, nothing is locked.
  assert.equal(await page.locator(".authorization__btn, .btn.authorize").count(), 0);

  await page.emulateMedia({ colorScheme: "dark" });
  await page.waitForFunction(isColoured, { page: [0, 64], title: [160, 255] });
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForFunction(isColoured, { page: [0, 255], title: [0, 96] });
});

/** Returns whether the red of the page's background, and that of its title, are in these ranges. */
function isColoured(expected: { page: number[]; title: number[] }): boolean {
  const within = (element: Element, property: "backgroundColor" | "color", [least, most]: number[]): boolean => {
    const red = Number(/\d+/.exec(getComputedStyle(element)[property])?.[0] ?? 0);
    return least! <= red && red <= most!;
  };
  const title = document.querySelector(".swagger-ui .info .title")!;
  return within(document.documentElement, "backgroundColor", expected.page) && within(title, "color", expected.title);
}
