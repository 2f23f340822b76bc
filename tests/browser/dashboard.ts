// Opens the pages of the dashboard, and does what its user does.
import assert from "node:assert/strict";

import type { Page, Route } from "playwright-core";

import { accessible } from "./accessible.ts";
import { visiting } from "./browser.ts";

export default visiting({ expected: /Failed to load resource/ }, async (page) => {
  await page.goto("/tasks/nothing/here");
  await page.getByRole("heading", { name: "Nothing here" }).waitFor();
  await page.getByRole("link", { name: "Go to the overview" }).click();
  await page.getByRole("status").filter({ hasText: "All is well." }).waitFor();
  await page.getByRole("region", { name: "Due next" }).getByRole("link", { name: "heartbeat" }).waitFor();
  await page.getByRole("img", { name: /^Runs per minute/ }).locator("canvas").waitFor();
  await page.getByRole("img", { name: "calls in the next 24 hours" }).locator("canvas").waitFor();
  await accessible(page);

  // The list: what is searched for stands in the address, and what is selected can be changed at once.
  await page.getByRole("link", { name: "Tasks" }).first().click();
  await row(page, "nightly").waitFor();
  await page.getByLabel("Search by name or URL").fill("heart");
  await row(page, "nightly").waitFor({ state: "detached" });
  await page.waitForURL(/q=heart/);
  await page.reload();
  await row(page, "heartbeat").waitFor();
  assert.equal(await row(page, "nightly").count(), 0);
  await page.getByLabel("Select heartbeat").check();
  await accessible(page);

  // A pause shows before the service has answered, goes back when it is refused, and can be undone.
  const refused = await holding(page, "PauseTasks");
  await page.getByRole("toolbar").getByRole("button", { name: "Pause" }).click();
  await row(page, "heartbeat").getByText("Paused").waitFor();
  await refused({ data: { results: [{ __typename: "Conflict", message: "The task was just cancelled" }] } });
  await page.getByText("1 refused: The task was just cancelled").waitFor();
  await row(page, "heartbeat").getByText("Scheduled").waitFor();
  await page.getByRole("toolbar").getByRole("button", { name: "Pause" }).click();
  await page.getByText("1 task paused.").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("1 task resumed.").waitFor();
  await row(page, "heartbeat").getByText("Scheduled").waitFor();
  await page.getByLabel("Select heartbeat").check();
  await page.getByRole("toolbar").getByRole("button", { name: "Pause" }).click();
  await page.getByText("1 task paused.").waitFor();

  // The task: it is resumed, runs by hand, and its run ends while it is watched.
  await page.getByRole("link", { name: "heartbeat" }).click();
  await page.getByText("Every 1 h, Duetime sends GET").waitFor();
  const unanswered = await holding(page, "ResumeTask");
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("main").getByText("Scheduled").waitFor();
  await unanswered(null);
  await page.getByText("The service does not answer, so it may not have saved this.").waitFor();
  await page.getByRole("main").getByText("Paused", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await accessible(page);

  // Its description is changed, and the first definition comes back.
  await ask(page, `mutation { updateTask(id: "${page.url().split("/").at(-1)}", input: { description: "Changed elsewhere" }) { __typename } }`);
  const versions = page.getByRole("region", { name: "Versions" });
  await versions.getByText("Changed elsewhere").waitFor();
  await versions.getByRole("button", { name: "Roll back …" }).last().click();
  await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
  await page.getByText("The definition of version 1 is back").waitFor();

  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: "Copy as YAML" }).click();
  await page.getByText("Copied.").waitFor();
  const yaml = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(yaml, /^tasks:\n {2}- name: "heartbeat"\n/);
  assert(!yaml.includes("__typename"), yaml);

  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: "Run with other input …" }).click();
  await page.getByLabel("Body as JSON").fill("{");
  await page.getByRole("dialog").getByRole("button", { name: "Run now" }).click();
  await page.getByRole("alert").filter({ hasText: "This is not JSON" }).waitFor();
  await page.getByLabel("Body as JSON").fill('{"by": "hand"}');
  await page.getByRole("dialog").getByRole("button", { name: "Run now" }).click();
  await page.waitForURL(/\/runs\//);
  await page.getByText("Somebody ran the task by hand.").waitFor();
  await page.getByRole("region", { name: "Response" }).getByText('"pong"').waitFor();
  await page.getByRole("main").getByText("Succeeded").first().waitFor();
  await page.getByText("HTTP 200").first().waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Run again" }).click();
  await page.getByText("It repeats an earlier run").waitFor();
  await page.getByRole("main").getByText("Succeeded").first().waitFor();

  // All tasks of a filter are changed at once: they are counted before, and the progress is shown.
  await page.goto("/tasks?q=batch");
  await page.getByRole("button", { name: "Change all that match" }).click();
  await page.getByRole("menuitem", { name: "Pause all that match …" }).click();
  await page.getByRole("button", { name: "Pause 5,000 tasks" }).waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Pause 5,000 tasks" }).click();
  const progress = page.getByRole("dialog").getByRole("status");
  const isUnderWay = /^[1-9][\d,]* of 5,000$/;
  await progress.filter({ hasText: isUnderWay }).waitFor();
  // The dialog can be closed meanwhile, and the page still shows the progress, unless a fast machine is done.
  await page.getByRole("button", { name: "Close, and let it go on" }).click();
  const onPage = page.getByRole("region", { name: "Operation under way" }).getByRole("status").filter({ hasText: isUnderWay });
  const changed = page.getByRole("row").filter({ hasText: "batch" }).first().getByText("Paused");
  await onPage.or(changed).first().waitFor();
  await page.getByRole("region", { name: "Operation under way" }).waitFor({ state: "detached", timeout: 60_000 });
  await page.getByRole("button", { name: "Change all that match" }).click();
  await page.getByRole("menuitem", { name: "Pause all that match …" }).click();
  await page.getByRole("button", { name: "Back" }).click();
  await page.getByRole("row").filter({ hasText: "batch" }).first().getByText("Paused").waitFor();

  // The stored runs: their filter stands in the address, and those that match are repeated together.
  const broken = await ask(page, `{ tasks(filter: { nameContains: "broken" }) { nodes { id } } }`);
  for (let place = 0; place < 3; place += 1) {
    await ask(page, `mutation { runTask(id: "${broken.tasks.nodes[0].id}") { __typename } }`);
  }
  await page.goto("/runs?view=history");
  await page.getByRole("row").filter({ hasText: "by hand" }).first().waitFor();
  await page.getByRole("button", { name: "More filters" }).click();
  await page.getByLabel("HTTP status of the last response").fill("503");
  await page.getByLabel("Tags of the task, separated by commas").fill("fragile");
  await page.waitForURL(/status=503&tags=/);
  await page.reload();
  await page.getByRole("row").nth(3).filter({ hasText: "broken" }).waitFor();
  assert.equal(await page.getByRole("row").count(), 4);
  await accessible(page);
  await page.getByLabel("Select the run of broken").first().check();
  await page.getByRole("toolbar").getByRole("button", { name: "Retry" }).click();
  await page.getByText("1 run retried.").waitFor();
  await page.getByRole("button", { name: "Change all that match" }).click();
  await page.getByRole("menuitem", { name: "Retry all that failed and match …" }).click();
  await page.getByRole("button", { name: "Retry 3 runs" }).click();
  await progress.filter({ hasText: "3 of 3 – completed" }).waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Close", exact: true }).last().click();
  await page.goto("/runs?view=history&state=SUCCEEDED&cause=RETRY&tags=%5B%22fragile%22%5D");
  await page.getByRole("row").nth(4).waitFor();

  // The palette leads anywhere by keyboard.
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Go to" }).fill("night");
  await page.getByRole("option", { name: "nightly" }).waitFor();
  await accessible(page);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "nightly", level: 1 }).waitFor();

  // On a phone, rows are selected and changed as elsewhere, the navigation is at the bottom, and the theme is behind it.
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("/tasks");
  await page.getByLabel("Tags, separated by commas").fill("dark, quiet");
  await page.waitForURL(/tags=/);
  await page.getByRole("row").nth(2).waitFor({ state: "detached" });
  await row(page, "nightly").getByText(/^in \d+ min$/).waitFor();
  await page.getByLabel("Select all tasks that were read").check();
  await page.getByRole("toolbar").getByText("1 task selected").waitFor();
  await accessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole("toolbar").getByRole("button", { name: "Pause" }).click();
  await row(page, "nightly").getByText("Paused").waitFor();
  await page.goto("/runs?view=history");
  await page.getByLabel("Select the run of heartbeat").last().check();
  // The toolbar stays in sight, however far down the run is.
  await page.getByRole("toolbar").getByRole("button", { name: "Retry" }).click();
  await page.getByText("1 run retried.").waitFor();
  await page.getByRole("button", { name: "More", exact: true }).click();
  await accessible(page);
  await page.getByRole("dialog").getByLabel("Theme").selectOption("dark");
  assert.equal(await scheme(page), "dark");

  // The theme is there before any module is, so that no other one flashes up.
  await page.route(/assets\/index-/, (route) => (route.request().resourceType() === "script" ? route.abort() : route.fallback()));
  await page.reload();
  assert.equal(await scheme(page), "dark");
  assert.equal(await page.locator("#app > *").count(), 0);
});

async function scheme(page: Page): Promise<string> {
  return page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
}

/**
 * Hold the next request with an operation back, and return a function that answers it in the service's place; null stands
 * for no answer.
 */
async function holding(page: Page, operation: string): Promise<(answer: unknown) => Promise<void>> {
  let isHeld = false;
  let hold: (route: Route) => void;
  const held = new Promise<Route>((resolve) => (hold = resolve));
  await page.route(/\/graphql$/, async (route) => {
    if (!isHeld && route.request().postData()?.includes(operation) === true) {
      isHeld = true;
      hold(route);
    } else {
      await route.fallback();
    }
  });
  return async (answer) => {
    const route = await held;
    await (answer === null ? route.abort() : route.fulfill({ json: answer }));
    await page.unroute(/\/graphql$/);
  };
}

async function ask(page: Page, query: string): Promise<any> {
  const response = await page.request.post("/graphql", { data: { query } });
  return ((await response.json()) as { data: unknown }).data;
}

function row(page: Page, name: string) {
  return page.getByRole("row").filter({ has: page.getByRole("link", { name, exact: true }) });
}
