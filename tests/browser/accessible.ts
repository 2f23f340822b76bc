// Checks a page with axe in both themes: in the dark one at the width of a phone, in the light one at that of a desk.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const VIEWS = [
  { viewport: { width: 390, height: 844 }, colorScheme: "dark" },
  { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
] as const;

/** Checks the page as it is now, and leaves it in the light theme at the width of a desk. */
export async function accessible(page: Page): Promise<void> {
  await page.evaluate(AXE);
  for (const { viewport, colorScheme } of VIEWS) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.waitForFunction((scheme) => matchMedia(`(prefers-color-scheme: ${scheme})`).matches, colorScheme);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    const { violations } = await page.evaluate<AxeResults>("axe.run()");
    const found = violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("\n  ")}`);
    assert.deepEqual(found, [], `${page.url()} at ${viewport.width} px, ${colorScheme}`);
    const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert(excess <= 0, `${page.url()} is ${excess} px wider than ${viewport.width} px`);
  }
}
