// Checks a page with axe in both themes at the widths of a phone and of a desk.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import type { AxeResults, RunOptions } from "axe-core";
import type { Page } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const VIEWPORTS = [
  { width: 390, height: 844 },
  { width: 1280, height: 800 },
] as const;
/** Only these rules look at colours, so the others find the same in the second theme. */
const RULES_OF_COLOURS = ["color-contrast", "link-in-text-block"];
const THEMES: readonly [theme: "dark" | "light", rules: RunOptions][] = [
  ["dark", { runOnly: RULES_OF_COLOURS }],
  ["light", {}],
];

/** Checks the page as it is now, and leaves it in the light theme at the width of a desk. */
export async function accessible(page: Page): Promise<void> {
  if (await page.evaluate(() => !("axe" in window))) {
    await page.evaluate(AXE);
  }
  await page.emulateMedia({ reducedMotion: "reduce" });
  for (const viewport of VIEWPORTS) {
    await page.setViewportSize(viewport);
    for (const [colorScheme, rules] of THEMES) {
      await page.emulateMedia({ colorScheme });
      await page.waitForFunction((scheme) => matchMedia(`(prefers-color-scheme: ${scheme})`).matches, colorScheme);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      const { violations } = await page.evaluate<AxeResults>(`axe.run(${JSON.stringify({ ...rules, resultTypes: ["violations"] })})`);
      const found = violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("\n  ")}`);
      assert.deepEqual(found, [], `${page.url()} at ${viewport.width} px, ${colorScheme}`);
    }
    const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert(excess <= 0, `${page.url()} is ${excess} px wider than ${viewport.width} px`);
  }
}
