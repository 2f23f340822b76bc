// A Chromium to which nothing but this machine exists, and which tells of every attempt to reach something else.
import assert from "node:assert/strict";

import { chromium, type Browser, type Page } from "playwright-core";

const ARGUMENTS = [
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  // Tests run as root in containers, where Chromium's own sandbox cannot.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  // What Chromium would look up for itself.
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Launches a browser, which the caller has to close. */
export async function launched(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ARGUMENTS });
}

/**
 * Returns a function that opens an empty page, for which paths belong to `url`, and hands it to `visit` with its other arguments.
 * `visit` may wait up to 20 s for whatever it expects. It fails afterwards when the page has asked another origin than that of
 * `url` for anything, or when it has complained on its console of what was not `expected`.
 */
export function visiting<Rest extends unknown[], Result>(
  { expected }: { expected?: RegExp },
  visit: (page: Page, ...rest: Rest) => Promise<Result>,
): (browser: Browser, url: string, ...rest: Rest) => Promise<Result> {
  return async (browser, url, ...rest) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, baseURL: url });
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(20_000);
      const { host } = new URL(url);
      const faults: string[] = [];
      const check = (address: string): void => {
        const { protocol, host: asked } = new URL(address);
        if (asked !== host && !["blob:", "data:"].includes(protocol)) {
          faults.push(`it asked ${address}`);
        }
      };
      page.on("request", (request) => check(request.url()));
      page.on("websocket", (socket) => check(socket.url()));
      page.on("pageerror", (error) => faults.push(`it threw ${error.message}`));
      page.on("console", (message) => {
        if (message.type() === "error" && !expected?.test(message.text())) {
          faults.push(`it complained: ${message.text()} ${message.location().url}`);
        }
      });
      const result = await visit(page, ...rest).catch(async (error: unknown) => {
        throw new Error(`${faults.join("\n")}\nThe page showed:\n${await page.locator("body").innerText()}`, { cause: error });
      });
      assert.deepEqual(faults, []);
      return result;
    } finally {
      await context.close();
    }
  };
}
