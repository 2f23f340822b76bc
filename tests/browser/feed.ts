// Watches the live feed from a cursor whose events are gone, while its connection is cut at random messages. Returns what it
// showed, oldest first.
import assert from "node:assert/strict";

import { accessible } from "./accessible.ts";
import { visiting } from "./browser.ts";

const RUN = "mutation ($id: ID!) { runTask(id: $id) { __typename } }";
/** The share of messages that cut the connection in place of arriving. */
const CUT_AT = 0.08;

/** Return a function whose values are from 0 to 1, the same ones for each seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export default visiting({}, async (page, task: string, number: number, old: string, seed: number) => {
  const random = randomFrom(seed);
  let cuts = 0;
  let messages = 0;
  /** One of the first messages cuts the connection in any case. */
  const first = Math.ceil(random() * 10);
  // All rows are in the document of a window that is high enough.
  await page.setViewportSize({ width: 1280, height: 40 * 4 * number + 400 });
  await page.routeWebSocket(/\/graphql$/, (socket) => {
    const server = socket.connectToServer();
    let isCut = false;
    server.onMessage((message) => {
      messages += 1;
      if (!isCut && (messages === first || random() < CUT_AT)) {
        isCut = true;
        cuts += 1;
        void socket.close({ code: 4000, reason: "cut" });
      } else if (!isCut) {
        socket.send(message);
      }
    });
  });
  await page.route(/\/graphql$/, async (route) => {
    const asks = route.request().postData()?.includes("query RunEventsCursor") === true;
    await (asks ? route.fulfill({ json: { data: { runEventsCursor: old } } }) : route.fallback());
  });
  await page.goto("/runs");
  await page.getByRole("row").filter({ hasText: "Events are missing here." }).waitFor();
  for (let place = 0; place < number; place += 1) {
    await page.request.post("/graphql", { data: { query: RUN, variables: { id: task } } });
  }
  await page.waitForFunction(
    (expected) => document.querySelectorAll("[data-cursor] .tone-ok").length >= expected,
    number,
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
  return shown;
});
