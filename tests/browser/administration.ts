// Works with API keys of all scopes: one that may only read, one that is revoked over a form, and an admin's.
import assert from "node:assert/strict";

import type { Locator, Page } from "playwright-core";

import { accessible } from "./accessible.ts";
import { visiting } from "./browser.ts";

export default visiting({ expected: /401 \(Unauthorized\)/ }, async (page, target: string, reader: string, writer: string, admin: string) => {
  await readersAreOfferedNothingToChange(page, reader);
  await aKeyThatEndsDoesNotLoseTheForm(page, writer, admin);
  await keysAreCreatedAndRevoked(page);
  await aHostIsLimited(page, admin);
  await notificationsAreSetUp(page, target);
  await theAuditLogSaysWhoDidWhat(page);
  await visit(page, "/workers", "Workers");
  await page.getByRole("cell", { name: "Alive" }).waitFor();
  await accessible(page);
  await visit(page, "/storage", "Storage");
  await page.getByRole("region", { name: "What takes the space" }).getByRole("row", { name: /^runs/ }).waitFor();
  await accessible(page);
});

async function visit(page: Page, path: string, heading: string): Promise<void> {
  await page.goto(path);
  await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
}

async function enterKey(page: Page, key: string): Promise<void> {
  await page.getByLabel("requires an API key").fill(key);
  await page.getByRole("button", { name: "Continue" }).click();
}

/** Click a button, also where the question for a key stands over it already, because another request was refused before. */
async function submit(button: Locator): Promise<void> {
  await button.dispatchEvent("click");
}

async function readersAreOfferedNothingToChange(page: Page, reader: string): Promise<void> {
  await visit(page, "/tasks/new", "New task");
  await enterKey(page, reader);
  await page.getByText("needs an API key with the scope write").waitFor();
  assert.equal(await page.getByRole("button", { name: "Create task" }).count(), 0);
  await visit(page, "/keys", "API keys");
  await page.getByText("needs an API key with the scope admin").waitFor();
  assert.equal(await page.getByRole("link", { name: "Audit log" }).count(), 0);
  await page.evaluate(() => sessionStorage.clear());
}

async function aKeyThatEndsDoesNotLoseTheForm(page: Page, writer: string, admin: string): Promise<void> {
  await visit(page, "/tasks/new", "New task");
  await enterKey(page, writer);
  await page.getByLabel("Name", { exact: true }).fill("survivor");
  await page.getByLabel("URL", { exact: true }).fill("http://127.0.0.1/survivor");
  const [{ id }] = (await asAdmin(page, admin, "{ apiKeys { id name } }")).apiKeys.filter(({ name }: { name: string }) => name === "writer");
  await asAdmin(page, admin, `mutation { revokeApiKey(id: "${id}") { __typename } }`);
  await submit(page.getByRole("button", { name: "Create task" }));
  await enterKey(page, admin);
  await page.getByText("The task survivor was created.").waitFor();
}

async function keysAreCreatedAndRevoked(page: Page): Promise<void> {
  await visit(page, "/keys", "API keys");
  await page.getByRole("row", { name: /admin.*yours/ }).waitFor();
  await page.getByRole("button", { name: "New key" }).click();
  const form = page.getByRole("dialog", { name: "New API key" });
  await form.getByLabel("Name").fill("not/allowed");
  await form.getByRole("button", { name: "Create key" }).click();
  await form.getByRole("alert").waitFor();
  await accessible(page);
  await form.getByLabel("Name").fill("deploys");
  await form.getByRole("button", { name: "Create key" }).click();
  const created = page.getByRole("dialog", { name: "The key deploys" });
  assert.match(await created.locator("code").innerText(), /^duetime_/);
  await created.getByRole("button", { name: "I have copied it" }).click();
  await page.getByRole("button", { name: "Revoke deploys" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("row", { name: /deploys.*Revoked/ }).waitFor();
  await accessible(page);
}

async function aHostIsLimited(page: Page, admin: string): Promise<void> {
  const made = await asAdmin(page, admin, `mutation { createApiKey(input: { name: "short", scope: ADMIN }) { ... on CreatedApiKey { key apiKey { id } } } }`);
  await page.evaluate((key) => sessionStorage.setItem("duetime:key", key), made.createApiKey.key as string);
  await visit(page, "/limits", "Limits");
  await page.getByRole("button", { name: "New limit" }).click();
  const form = page.getByRole("dialog", { name: "New limit" });
  await form.getByLabel("Host").fill("not a host");
  await form.getByLabel("Per second").fill("2.5");
  // The key ends while a form is open in a dialog, which keeps what was entered.
  await asAdmin(page, admin, `mutation { revokeApiKey(id: "${made.createApiKey.apiKey.id}") { __typename } }`);
  await submit(form.getByRole("button", { name: "Create limit" }));
  await enterKey(page, admin);
  await form.getByRole("alert").getByRole("button", { name: "Host" }).waitFor();
  await accessible(page);
  await form.getByLabel("Host").fill("api.example.com");
  await form.getByRole("button", { name: "Create limit" }).click();
  await page.getByRole("row", { name: /api\.example\.com.*2\.5 per second/ }).waitFor();
  await page.getByRole("button", { name: "Edit the limit of api.example.com" }).click();
  const change = page.getByRole("dialog", { name: "The limit of api.example.com" });
  await change.getByLabel("Per second").fill("");
  await change.getByLabel("At the same time").fill("3");
  await change.getByRole("button", { name: "Save" }).click();
  await page.getByRole("row", { name: /api\.example\.com.*3 at the same time/ }).waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Delete the limit of api.example.com" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("There are no limits.").waitFor();
}

async function notificationsAreSetUp(page: Page, target: string): Promise<void> {
  await visit(page, "/notifications", "Notifications");
  await page.getByRole("button", { name: "Go to the channels" }).click();
  await page.getByRole("button", { name: "New channel" }).click();
  const channel = page.getByRole("dialog", { name: "New channel" });
  await channel.getByLabel("Name").fill("On-call");
  await channel.getByLabel("URL").fill("ftp://example.com");
  await channel.getByRole("button", { name: "Generate a secret" }).click();
  await channel.getByRole("button", { name: "Create channel" }).click();
  await channel.getByRole("alert").getByRole("button", { name: "URL" }).waitFor();
  await accessible(page);
  await channel.getByLabel("URL").fill(`${target}/notified`);
  await channel.getByRole("button", { name: "Create channel" }).click();
  await page.getByRole("button", { name: "Test On-call" }).click();
  await page.getByText("On-call has accepted the test").waitFor();

  await page.getByRole("button", { name: "Rules", exact: true }).click();
  await page.getByRole("button", { name: "New rule" }).click();
  const rule = page.getByRole("dialog", { name: "New rule" });
  await rule.getByLabel("Name").fill("Failures");
  await rule.getByLabel("Late", { exact: true }).check();
  await rule.getByLabel("Late after").fill("2");
  await accessible(page);
  await rule.getByRole("button", { name: "Create rule" }).click();
  await page.getByText("All tasks: failed, recovered, late → On-call").waitFor();

  // What was refused stands in the dialog that asked.
  await page.getByRole("button", { name: "Channels", exact: true }).click();
  await page.getByRole("button", { name: "Delete On-call" }).click();
  const question = page.getByRole("dialog", { name: "Delete On-call?" });
  await question.getByRole("button", { name: "Delete" }).click();
  await question.getByRole("alert").filter({ hasText: "Failures" }).waitFor();
  await accessible(page);
  await question.getByRole("button", { name: "Cancel" }).click();

  await page.getByRole("button", { name: "Deliveries" }).click();
  await page.getByText("Duetime: a test of this channel").click();
  await page.getByText("the channel works").waitFor();
  await accessible(page);
}

async function theAuditLogSaysWhoDidWhat(page: Page): Promise<void> {
  await visit(page, "/audit", "Audit log");
  await page.getByLabel("Action").fill("createKey");
  await page.getByRole("button", { name: "Filter" }).click();
  const entry = page.getByRole("group").filter({ hasText: "deploys" });
  await entry.getByText("by admin").click();
  await entry.getByRole("row", { name: "scope write" }).waitFor();
  assert.equal(await page.getByText("createNotificationRule").count(), 0);
  await accessible(page);
}

async function asAdmin(page: Page, key: string, query: string): Promise<any> {
  const response = await page.request.post("/graphql", { headers: { Authorization: `Bearer ${key}` }, data: { query } });
  return ((await response.json()) as { data: unknown }).data;
}
