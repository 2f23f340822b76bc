// Watches the live feed while its connection is cut again and again. Prints what it showed, oldest first.
import type { WebSocketRoute } from "playwright-core";

import { visiting } from "./browser.ts";

const [executablePath, url, task, number] = process.argv.slice(2);
if (executablePath === undefined || url === undefined || task === undefined || number === undefined) {
  throw new Error("usage: feed.ts CHROMIUM URL TASK NUMBER");
}
const RUN = "mutation ($id: ID!) { runTask(id: $id) { __typename } }";
const CUT_EVERY = 4;

await visiting({ executablePath, url }, async (page) => {
  // All rows are in the document of a window that is high enough.
  await page.setViewportSize({ width: 1280, height: 40 * 2 * Number(number) + 400 });
  const open: WebSocketRoute[] = [];
  await page.routeWebSocket(/\/graphql$/, (socket) => {
    socket.connectToServer();
    open.push(socket);
  });
  await page.goto(new URL("/runs", url).href);
  await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
  for (let place = 0; place < Number(number); place += 1) {
    if (place % CUT_EVERY === 0) {
      await Promise.all(open.splice(0).map((socket) => socket.close({ code: 4000, reason: "cut" })));
    }
    const body = JSON.stringify({ query: RUN, variables: { id: task } });
    await fetch(new URL("/graphql", url), { method: "POST", headers: { "Content-Type": "application/json" }, body });
  }
  const rows = page.locator("[data-cursor]");
  await page.waitForFunction(
    (expected) => document.querySelectorAll("[data-cursor] .tone-ok").length >= expected,
    Number(number),
  );
  const shown = await rows.evaluateAll((elements) =>
    elements
      .map((element) => ({
        place: element.getBoundingClientRect().top,
        run: element.querySelector("a")!.href.split("/").at(-1)!,
        type: element.querySelector(".badge")!.textContent,
      }))
      .sort((one, other) => other.place - one.place)
      .map(({ run, type }) => [run, type]),
  );
  console.log(JSON.stringify(shown));
});
