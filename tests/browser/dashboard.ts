// Opens the pages of the dashboard, and does what its user does.
import assert from "node:assert/strict";

import type { Page } from "playwright-core";

import { accessible } from "./accessible.ts";
import { visiting } from "./browser.ts";

const [executablePath, url] = process.argv.slice(2);
if (executablePath === undefined || url === undefined) {
  throw new Error("usage: dashboard.ts CHROMIUM URL");
}

await visiting({ executablePath, url }, async (page) => {
  await page.goto(new URL("/tasks/nothing/here", url).href);
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
  await page.getByRole("toolbar").getByRole("button", { name: "Pause" }).click();
  await row(page, "heartbeat").getByText("Paused").waitFor();

  // The task: it is resumed, runs by hand, and its run ends while it is watched.
  await page.getByRole("link", { name: "heartbeat" }).click();
  await page.getByText("Every 1 h, Duetime sends GET").waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await accessible(page);

  // Its description is changed, and the first definition comes back.
  const update = "mutation ($id: ID!) { updateTask(id: $id, input: { description: \"Changed elsewhere\" }) { __typename } }";
  const variables = { id: page.url().split("/").at(-1) };
  await fetch(new URL("/graphql", url), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query: update, variables }),
  });
  const versions = page.getByRole("region", { name: "Versions" });
  await versions.getByText("Changed elsewhere").waitFor();
  await versions.getByRole("button", { name: "Roll back …" }).last().click();
  await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
  await page.getByText("The definition of version 1 is back").waitFor();

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
  await page.goto(new URL("/tasks?q=batch", url).href);
  await page.getByRole("button", { name: "Change all that match" }).click();
  await page.getByRole("menuitem", { name: "Pause all that match …" }).click();
  await page.getByRole("button", { name: "Pause 250 tasks" }).click();
  await page.getByRole("status").filter({ hasText: "250 of 250 – completed" }).waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Close", exact: true }).last().click();
  await page.getByRole("row").filter({ hasText: "batch" }).first().getByText("Paused").waitFor();

  // The stored runs, and the way from the list to one of them.
  await page.goto(new URL("/runs?view=history&state=SUCCEEDED", url).href);
  await page.getByRole("row").filter({ hasText: "by hand" }).waitFor();
  await accessible(page);

  // The palette leads anywhere by keyboard.
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Go to" }).fill("night");
  await page.getByRole("option", { name: "nightly" }).waitFor();
  await accessible(page);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "nightly", level: 1 }).waitFor();

  // On a phone, the navigation is at the bottom, and the theme is behind it.
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole("button", { name: "More", exact: true }).click();
  await page.getByRole("dialog").getByLabel("Theme").selectOption("dark");
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
});

function row(page: Page, name: string) {
  return page.getByRole("row").filter({ has: page.getByRole("link", { name, exact: true }) });
}
