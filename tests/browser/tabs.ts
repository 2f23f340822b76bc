// The tabs of the playground: what a visitor does in one, and what it shows.
import type { Page } from "playwright-core";

/** Waits until the playground does what it is told: before its editors stand, it runs no operation. */
export async function standing(page: Page): Promise<void> {
  await page.locator(".graphiql-query-editor .view-line").first().waitFor();
  await page.locator(".result-window .monaco-editor").waitFor();
}

export async function open(page: Page, tab: string): Promise<void> {
  await page.getByRole("tab", { name: tab }).click();
}

export async function run(page: Page, tab: string): Promise<void> {
  await open(page, tab);
  await page.locator(".graphiql-execute-button").click();
}

/** Waits until the response has the text. The editor shows spaces that do not break. */
export async function shows(page: Page, text: string, options: { timeout?: number } = {}): Promise<void> {
  await page.waitForFunction(
    (wanted) => document.querySelector(".result-window")?.textContent?.replaceAll("\u00a0", " ").includes(wanted),
    text,
    options,
  );
}

export async function setHeaders(page: Page, headers: Record<string, string>): Promise<void> {
  const button = page.getByRole("button", { name: "Headers", exact: true });
  if (!(await page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden)").isVisible())) {
    await button.click();
  }
  await page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden)").click();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(JSON.stringify(headers));
}
