// Creates a task from a curl command, tries its request, and changes the task while somebody else does.
import assert from "node:assert/strict";

import type { Page } from "playwright-core";

import { accessible } from "./accessible.ts";
import { visiting } from "./browser.ts";

const SECRET = "Bearer a-secret-of-mine";

export default visiting({}, async (page, target: string) => {
  await page.goto("/tasks/new");
  await previewFollowsTheSchedule(page);
  await curlFillsTheForm(page, target);
  await refusalsStandBesideTheirFields(page);
  const id = await create(page);
  await changesOfOthersAreKept(page, id);
  await leavingAsks(page, id);
  const run = await graphql(page, `mutation { runTask(id: "${id}") { __typename } }`);
  assert.equal(run.runTask.__typename, "Run");
});

async function previewFollowsTheSchedule(page: Page): Promise<void> {
  const preview = page.getByRole("region", { name: "Preview of the schedule" });
  await preview.getByText("At 09:00").waitFor();
  await page.getByLabel("Repeats").selectOption("Weekly");
  await page.getByRole("checkbox", { name: "Sun" }).check();
  await preview.getByText("only on Sunday and Monday").waitFor();
  assert.equal(await page.getByLabel("Cron expression").inputValue(), "0 9 * * mon,sun");

  // A zone is found by part of its name.
  await page.getByRole("combobox", { name: "Time zone" }).fill("new york");
  await page.keyboard.press("Enter");
  await preview.getByText("America/New_York").waitFor();

  // Of several answers, only the one to the last question counts.
  const expression = page.getByLabel("Cron expression");
  await expression.fill("");
  await expression.pressSequentially("30 6 1 * *", { delay: 30 });
  await preview.getByText("At 06:30").waitFor();
  await expression.fill("61 * * * *");
  await page.locator(".field", { has: expression }).getByText("'61' is out of range").waitFor();
  assert.equal(await expression.getAttribute("aria-invalid"), "true");
}

async function curlFillsTheForm(page: Page, target: string): Promise<void> {
  await page.getByRole("button", { name: "Paste a curl command" }).click();
  const command = page.getByRole("textbox", { name: "Command" });
  await command.fill("wget something");
  await page.getByRole("button", { name: "Fill the form" }).click();
  await page.getByRole("alert").filter({ hasText: "does not begin with curl" }).waitFor();
  await command.fill(`curl -k '${target}/hook?a=1' \\\n  -H 'Authorization: ${SECRET}' \\\n  --json '{"text": "it is due"}' --retry 1`);
  await page.getByRole("button", { name: "Fill the form" }).click();
  await page.getByText("Duetime always verifies certificates.").waitFor();
  assert.equal(await page.getByLabel("URL", { exact: true }).inputValue(), `${target}/hook?a=1`);
  assert.equal(await page.getByLabel("Method", { exact: true }).inputValue(), "POST");
  assert.equal(await page.getByLabel("Value of header 1").getAttribute("type"), "password");

  await page.getByRole("button", { name: "Try it now" }).click();
  const answer = page.getByRole("region", { name: "The answer to the call" });
  await answer.getByText("200", { exact: true }).waitFor();
  await answer.getByText("Success").waitFor();
}

async function refusalsStandBesideTheirFields(page: Page): Promise<void> {
  const name = page.getByLabel("Name", { exact: true });
  await name.fill("");
  await page.getByRole("button", { name: "Create task" }).click();
  const summary = page.getByRole("alert").filter({ hasText: "2 things need a change" });
  await summary.waitFor();
  assert(await summary.evaluate((element) => element === document.activeElement), "the summary has no focus");
  await accessible(page);
  await summary.getByRole("button", { name: "Name" }).click();
  assert(await name.evaluate((element) => element === document.activeElement), "the field has no focus");
  await page.keyboard.type("hook");
  assert.equal(await name.getAttribute("aria-invalid"), null);
  await page.getByLabel("Cron expression").fill("0 6 1 1 *");
}

/** Create the task, and return its id. */
async function create(page: Page): Promise<string> {
  await page.getByRole("button", { name: "Create task" }).click();
  await page.waitForURL(/\/tasks\/[0-9a-f-]{36}$/);
  await page.getByText("The task hook was created.").waitFor();
  return page.url().split("/").at(-1)!;
}

async function changesOfOthersAreKept(page: Page, id: string): Promise<void> {
  await page.goto(`/tasks/${id}/edit`);
  await page.getByLabel("Name", { exact: true }).fill("my hook");
  assert.equal(await page.getByLabel("Value of header 1").inputValue(), "");
  await page.getByPlaceholder("Stored. Type to replace it.").waitFor();
  await graphql(page, `mutation { updateTask(id: "${id}", input: { tags: ["theirs"] }) { __typename } }`);

  await page.getByRole("button", { name: "Save changes" }).click();
  const conflict = page.getByRole("alert", { name: "The task was changed meanwhile" });
  await conflict.getByRole("row", { name: "Tags – theirs" }).waitFor();
  await accessible(page);
  await conflict.getByRole("button", { name: "Take their changes, too" }).click();
  await page.getByRole("button", { name: "Save changes" }).click();
  await page.getByText("The task my hook was changed.").waitFor();
  const { task } = await graphql(page, `{ task(id: "${id}") { name tags action { headers { name secret value } payload } } }`);
  assert.deepEqual(task, {
    name: "my hook",
    tags: ["theirs"],
    action: {
      headers: [
        { name: "Authorization", secret: true, value: null },
        { name: "Accept", secret: false, value: "application/json" },
      ],
      payload: { text: "it is due" },
    },
  });
}

async function leavingAsks(page: Page, id: string): Promise<void> {
  await page.goto(`/tasks/${id}/edit`);
  const name = page.getByLabel("Name", { exact: true });
  await name.fill("something else");
  const overview = page.getByRole("navigation").getByRole("link", { name: "Overview" }).first();
  await overview.click();
  await page.getByRole("button", { name: "Stay" }).click();
  assert.equal(await name.inputValue(), "something else");
  await overview.click();
  await page.getByRole("button", { name: "Leave" }).click();
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
}

async function graphql(page: Page, query: string): Promise<any> {
  const response = await page.request.post("/graphql", { data: { query } });
  return ((await response.json()) as { data: unknown }).data;
}
