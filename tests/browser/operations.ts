// Operations as Swagger UI shows them.
import type { Page } from "playwright-core";

/** Tries an operation out with the example that the page offers, and waits for the status. */
export async function execute(page: Page, operation: string, status: number, tag = "tasks"): Promise<void> {
  const block = page.locator(`#operations-${tag}-${operation}`);
  await block.locator(".opblock-summary-control").click();
  await block.getByRole("button", { name: "Try it out" }).click();
  await block.getByRole("button", { name: "Execute" }).click();
  await block.locator(".live-responses-table .response-col_status", { hasText: String(status) }).first().waitFor();
}
