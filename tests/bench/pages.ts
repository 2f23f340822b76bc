// Measures pages in Chromium: `pages.ts CHROMIUM URL load|feed|scroll …`. Prints a line of JSON for each measurement.
import { createInterface } from "node:readline";

import type { CDPSession, Page } from "playwright-core";

import { launched, visiting } from "../browser/browser.ts";

const [executablePath, url, mode, ...rest] = process.argv.slice(2);
if (executablePath === undefined || url === undefined || mode === undefined) {
  throw new Error("usage: pages.ts CHROMIUM URL MODE …");
}
/** The frame of the overview, and what it shows once it has the answer of the API. */
const FRAME = "main h1";
const CONTENT = ".health-sentence";
const SCROLLED_MS = 15_000;
const TRACED_MS = 12_000;
const PX_PER_FRAME = 100;
const ROW_PX = 56;

interface Measured {
  /** When the frame was there and the main thread was free, and when that was so with the content. */
  interactive: number;
  complete: number;
  /** The durations of tasks over 50 ms. */
  longTasks: number[];
}

function print(measured: unknown): void {
  process.stdout.write(`${JSON.stringify(measured)}\n`);
}

/** Note in each document of the page what is measured from its beginning on. */
async function observe(page: Page): Promise<void> {
  await page.addInitScript((selectors) => {
    const measured: Measured = { interactive: 0, complete: 0, longTasks: [] };
    Object.assign(window, { measured });
    new PerformanceObserver((list) => {
      measured.longTasks.push(...list.getEntries().map(({ duration }) => duration));
    }).observe({ type: "longtask", buffered: true });
    for (const name of ["interactive", "complete"] as const) {
      const look = (): void => {
        if (document.querySelector(selectors[name]) === null) {
          requestAnimationFrame(look);
        } else {
          requestIdleCallback(() => (measured[name] = performance.now()));
        }
      };
      look();
    }
  }, { interactive: FRAME, complete: CONTENT });
}

/** Return the bytes of the heap that are in use after a garbage collection. */
async function heap(cdp: CDPSession): Promise<number> {
  await cdp.send("HeapProfiler.collectGarbage");
  return (await cdp.send("Runtime.getHeapUsage")).usedSize;
}

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  /** The CPU time in microseconds. */
  tdur?: number;
}

/** Return the CPU time, in milliseconds, of the longest task of the page's main thread while `act` lasts. */
async function longestTask(cdp: CDPSession, act: () => Promise<unknown>): Promise<number> {
  const events: TraceEvent[] = [];
  cdp.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  const ended = new Promise((resolve) => cdp.once("Tracing.tracingComplete", resolve));
  const traceConfig = { includedCategories: ["toplevel", "devtools.timeline"] };
  await cdp.send("Tracing.start", { transferMode: "ReportEvents", traceConfig });
  await act();
  await cdp.send("Tracing.end");
  await ended;
  const painter = events.find(({ name }) => name === "FireAnimationFrame")!;
  const tasks = events.filter(({ name, pid, tid }) => name.endsWith("RunTask") && pid === painter.pid && tid === painter.tid);
  return Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1_000;
}

/** Print when each of the addresses shows its first content, is interactive, and is complete, with nothing in the cache. */
async function load(page: Page, cdp: CDPSession, paths: readonly string[]): Promise<void> {
  await cdp.send("Network.setCacheDisabled", { cacheDisabled: true });
  for (const path of paths) {
    await page.goto(new URL(path, url).href);
    await page.waitForFunction(() => (window as unknown as { measured: Measured }).measured.complete > 0);
    await page.waitForLoadState("networkidle");
    print(
      await page.evaluate(() => {
        const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
        const ofPage = (loaded as PerformanceResourceTiming[]).filter(({ name }) => !name.endsWith("/graphql"));
        const { interactive, complete } = (window as unknown as { measured: Measured }).measured;
        return {
          interactive,
          complete,
          first: performance.getEntriesByName("first-contentful-paint")[0]!.startTime,
          bytes: ofPage.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
          html: document.documentElement.outerHTML,
        };
      }),
    );
  }
}

/**
 * Watch the live feed. For each line that arrives, print the long tasks since the last one, and the size of the heap; for the
 * line "trace" print how long the longest task of some seconds keeps the CPU busy.
 */
async function feed(page: Page, cdp: CDPSession): Promise<void> {
  await page.goto(new URL("/runs", url).href);
  await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
  // What opening the page took does not count.
  await page.waitForTimeout(2_000);
  const take = (): Promise<number[]> =>
    page.evaluate(() => (window as unknown as { measured: Measured }).measured.longTasks.splice(0));
  await take();
  print({ isLive: true });
  for await (const line of createInterface(process.stdin)) {
    if (line === "trace") {
      print({ longest: await longestTask(cdp, () => page.waitForTimeout(TRACED_MS)) });
      continue;
    }
    await page.waitForTimeout(1_000);
    const shown = await page.getByRole("table").getAttribute("aria-rowcount");
    const longTasks = await take();
    const bytes = await heap(cdp);
    await take();
    print({ longTasks, heap: bytes, shown: Number(shown) });
  }
}

/** Return the durations of the frames while the element scrolls down, and up again from its end. */
async function frames(page: Page, selector: string, milliseconds: number): Promise<number[]> {
  return page.evaluate(
    ([scrolled, duration, step]) => {
      const element = document.querySelector(scrolled)!;
      return new Promise<number[]>((resolve) => {
        const durations: number[] = [];
        let before = performance.now();
        let direction = 1;
        const end = before + duration;
        const frame = (now: number): void => {
          durations.push(now - before);
          before = now;
          const wanted = element.scrollTop + direction * step;
          element.scrollTop = wanted;
          if (wanted < 0 || wanted > element.scrollHeight - element.clientHeight) {
            direction = -direction;
          }
          if (now < end) {
            requestAnimationFrame(frame);
          } else {
            resolve(durations.slice(1));
          }
        };
        requestAnimationFrame(frame);
      });
    },
    [selector, milliseconds, PX_PER_FRAME] as const,
  );
}

/** Print the durations of the frames of a scrolling element, and how long its longest task keeps the CPU busy. */
async function scrolled(page: Page, cdp: CDPSession, selector: string): Promise<void> {
  const durations = await frames(page, selector, SCROLLED_MS);
  print({ frames: durations, longest: await longestTask(cdp, () => frames(page, selector, TRACED_MS)) });
}

/** Print the frames of a bare list, of the list of tasks while it is read, and of the same at the end of all tasks. */
async function scroll(page: Page, cdp: CDPSession, tasks: number): Promise<void> {
  await page.goto("about:blank");
  await page.setContent(
    `<div id="bare" style="height: 700px; overflow-y: auto">${`<p style="height: ${ROW_PX}px; margin: 0">a task</p>`.repeat(2_000)}</div>`,
  );
  await scrolled(page, cdp, "#bare");
  await page.goto(new URL("/tasks?order=CREATED_AT_DESC", url).href);
  const rows = page.getByRole("table");
  await rows.getByRole("link").first().waitFor();
  await scrolled(page, cdp, ".task-rows");
  await page.evaluate(
    ([all, height]) =>
      new Promise<void>((resolve) => {
        const element = document.querySelector(".task-rows")!;
        const timer = setInterval(() => {
          element.scrollTop = element.scrollHeight;
          if (element.scrollHeight >= all * height) {
            clearInterval(timer);
            resolve();
          }
        }, 10);
      }),
    [tasks, ROW_PX] as const,
  );
  await scrolled(page, cdp, ".task-rows");
}

const visit = visiting({}, async (page) => {
  const cdp = await page.context().newCDPSession(page);
  await observe(page);
  if (mode === "load") {
    await load(page, cdp, rest);
  } else if (mode === "feed") {
    await feed(page, cdp);
  } else {
    await scroll(page, cdp, Number(rest[0]));
  }
});
const browser = await launched(executablePath);
try {
  await visit(browser, url);
} finally {
  await browser.close();
}
