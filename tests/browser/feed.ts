// Watches the live feed from a cursor whose events are gone, while its connection is cut at random messages. Prints what it
// showed, oldest first.
import assert from "node:assert/strict";

import type { WebSocketRoute } from "playwright-core";

import { accessible } from "./accessible.ts";
import { visiting } from "./browser.ts";

const [executablePath, url, task, number, old, seed] = process.argv.slice(2);
if ([executablePath, url, task, number, old, seed].includes(undefined)) {
  throw new Error("usage: feed.ts CHROMIUM URL TASK NUMBER CURSOR SEED");
}
const RUN = "mutation ($id: ID!) { runTask(id: $id) { __typename } }";
/** The share of messages that cut the connection in place of arriving. */
const CUT_AT = 0.08;

let cuts = 0;
let messages = 0;
let state = Number(seed);

/** Return a number from 0 to 1, the same ones for each seed (mulberry32). */
function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

function cut(socket: WebSocketRoute): void {
  cuts += 1;
  void socket.close({ code: 4000, reason: "cut" });
}

await visiting({ executablePath: executablePath!, url: url! }, async (page) => {
  /** One of the first messages cuts the connection in any case. */
  const first = Math.ceil(random() * 10);
  // All rows are in the document of a window that is high enough.
  await page.setViewportSize({ width: 1280, height: 40 * 4 * Number(number) + 400 });
  await page.routeWebSocket(/\/graphql$/, (socket) => {
    const server = socket.connectToServer();
    let isCut = false;
    server.onMessage((message) => {
      messages += 1;
      if (!isCut && (messages === first || random() < CUT_AT)) {
        isCut = true;
        cut(socket);
      } else if (!isCut) {
        socket.send(message);
      }
    });
  });
  await page.route(/\/graphql$/, async (route) => {
    const asks = route.request().postData()?.includes("query RunEventsCursor") === true;
    await (asks ? route.fulfill({ json: { data: { runEventsCursor: old } } }) : route.fallback());
  });
  await page.goto(new URL("/runs", url).href);
  await page.getByRole("row").filter({ hasText: "Events are missing here." }).waitFor();
  for (let place = 0; place < Number(number); place += 1) {
    const body = JSON.stringify({ query: RUN, variables: { id: task } });
    await fetch(new URL("/graphql", url), { method: "POST", headers: { "Content-Type": "application/json" }, body });
  }
  await page.waitForFunction(
    (expected) => document.querySelectorAll("[data-cursor] .tone-ok").length >= expected,
    Number(number),
  );
  const shown = await page.locator("[data-cursor]:not(.feed-gap)").evaluateAll((elements) =>
    elements
      .map((element) => ({
        place: element.getBoundingClientRect().top,
        run: element.querySelector("a")!.href.split("/").at(-1)!,
        type: element.querySelector(".badge")!.textContent,
      }))
      .sort((one, other) => other.place - one.place)
      .map(({ run, type }) => [run, type]),
  );
  assert(cuts > 0, "the connection was never cut");
  assert.equal(await page.locator(".feed-gap").count(), 1);
  await accessible(page);
  console.log(JSON.stringify(shown));
});
