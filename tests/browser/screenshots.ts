// Takes screenshots of the pages of the dashboard, at the widths of a desk and of a phone, in both themes.
import { chromium, type Page } from "playwright-core";

const [executablePath, url, folder, task] = process.argv.slice(2);
if (executablePath === undefined || url === undefined || folder === undefined || task === undefined) {
  throw new Error("usage: screenshots.ts CHROMIUM URL FOLDER TASK");
}

const DESK = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };

/** The pages by the names of their pictures, and what to wait for. */
const PAGES: readonly [name: string, path: string, ready: (page: Page) => Promise<unknown>][] = [
  ["overview", "/", (page) => page.getByRole("region", { name: "Due next" }).locator("time").first().waitFor()],
  ["tasks", "/tasks", (page) => page.getByRole("link", { name: "Charge due subscriptions" }).waitFor()],
  ["task", `/tasks/${task}`, (page) => page.getByRole("heading", { name: "Charge due subscriptions" }).waitFor()],
  ["runs", "/runs", (page) => page.getByRole("row").nth(6).waitFor()],
  ["history", "/runs?view=history", (page) => page.getByRole("row").nth(6).waitFor()],
  ["run", "/runs?view=history&state=FAILED", openFirstRun],
  ["new-task", "/tasks/new", (page) => page.getByText("At 09:00").first().waitFor()],
  ["edit-task", `/tasks/${task}/edit`, (page) => page.getByLabel("Name", { exact: true }).waitFor()],
  ["notifications", "/notifications", (page) => page.getByRole("heading", { name: "Rules" }).waitFor()],
  ["limits", "/limits", (page) => page.getByRole("row").nth(1).waitFor()],
  ["keys", "/keys", (page) => page.getByRole("row").nth(1).waitFor()],
  ["audit", "/audit", (page) => page.getByRole("group").nth(3).waitFor()],
  ["workers", "/workers", (page) => page.getByRole("cell", { name: "Alive" }).waitFor()],
  ["storage", "/storage", (page) => page.getByRole("heading", { name: "What is removed next" }).waitFor()],
];

async function openFirstRun(page: Page): Promise<void> {
  await page.getByRole("row").nth(1).getByRole("link").first().click();
  await page.getByRole("heading", { name: "Response" }).waitFor();
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"] });
try {
  const only = process.env["ONLY"]?.split(",");
  for (const [size, viewport] of [["desk", DESK], ["phone", PHONE]] as const) {
    for (const colorScheme of ["light", "dark"] as const) {
      const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce", deviceScaleFactor: 1, timezoneId: "Europe/Berlin" });
      for (const [name, path, ready] of PAGES.filter(([each]) => only === undefined || only.includes(each))) {
        const page = await context.newPage();
        await page.goto(new URL(path, url).href);
        await ready(page).catch((error: unknown) => console.error(`${name}: ${String(error)}`));
        // Charts and names come a moment later.
        await page.waitForTimeout(700);
        // A window as high as the page, so that what keeps its place in the window stands where it belongs.
        const height = await page.evaluate(() => Math.min(document.documentElement.scrollHeight, 4_000));
        await page.setViewportSize({ ...viewport, height: Math.max(height, viewport.height) });
        await page.waitForTimeout(100);
        await page.screenshot({ path: `${folder}/${name}-${size}-${colorScheme}.png` });
        await page.close();
      }
      await context.close();
    }
  }
} finally {
  await browser.close();
}
