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

/**
 * Opens an empty page and hands it to `visit`, which may wait up to 20 s for whatever it expects. Fails afterwards when
 * the page has asked another origin than that of `url` for anything, or when it has complained on its console of what was not
 * `expected`.
 */
export async function visiting(
  { executablePath, url, expected }: { executablePath: string; url: string; expected?: RegExp },
  visit: (page: Page) => Promise<void>,
): Promise<void> {
  const browser: Browser = await chromium.launch({ executablePath, args: ARGUMENTS });
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
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
    try {
      await visit(page);
    } catch (error) {
      throw new Error(`${faults.join("\n")}\nThe page showed:\n${await page.locator("body").innerText()}`, { cause: error });
    }
    assert.deepEqual(faults, []);
  } finally {
    await browser.close();
  }
}
