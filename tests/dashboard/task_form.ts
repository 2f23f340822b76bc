import assert from "node:assert/strict";
import { test } from "node:test";

import { changesBetween, merged } from "../../dashboard/src/app/forms/changes.ts";
import { readCurl } from "../../dashboard/src/app/forms/curl.ts";
import { type Definition, duplicateOf, emptyForm, formOf, losesDigits, type TaskForm, withCurl } from "../../dashboard/src/app/forms/task-form.ts";
import { createInput, previewInput, tryInput, updateInput } from "../../dashboard/src/app/forms/task-input.ts";
import { toInstant, toLocal } from "../../dashboard/src/app/forms/wall-clock.ts";

const TASK: Definition = {
  name: "report", description: "", tags: ["a", "b"],
  trigger: { __typename: "CronTrigger", expression: "0 9 * * mon-fri", timezone: "Europe/Berlin", startAt: null, endAt: "2030-01-01T08:00:00.000000Z", jitterMs: 0 },
  action: {
    method: "POST", url: "https://example.com/", successStatuses: ["2xx"], timeoutMs: 30_000, redirects: 0, signed: true, payload: { a: 1 },
    body: null, bodyEncoding: "UTF8", form: null,
    headers: [{ name: "Authorization", value: null, secret: true }, { name: "Accept", value: "*/*", secret: false }],
  },
  retry: { maxAttempts: 3, initialDelayMs: 5_000, factor: 2, maxDelayMs: 300_000, retryStatuses: null, maxElapsedMs: null },
  overlap: "SKIP", misfire: "LATEST", onLost: "RETRY", pauseAfterFailures: 5, retentionDays: null, deleteAfterMs: null, flowKey: null, externalId: null,
  metadata: null,
};

const loaded = (): TaskForm => formOf(TASK, "UTC");

/** Return a form after a change of one. */
function after(form: TaskForm, change: (form: TaskForm) => void): TaskForm {
  const copy = structuredClone(form);
  change(copy);
  return copy;
}

test("a new form is a valid input but for what only the author knows", () => {
  const form = after(emptyForm("Europe/Berlin"), (each) => {
    each.name = " heartbeat ";
    each.action.url = "https://example.com/";
  });
  const { input, problems } = createInput(form);
  assert.deepEqual(problems, []);
  assert.equal(input["name"], "heartbeat");
  assert.deepEqual(input["trigger"], { cron: { expression: "0 9 * * *", timezone: "Europe/Berlin" } });
  assert.deepEqual(input["action"], { method: "GET", url: "https://example.com/", headers: [], successStatuses: ["2xx"], timeoutMs: 30_000, redirects: 0 });
});

test("what makes no sense yet is a problem of its field", () => {
  const form = after(emptyForm("UTC"), (each) => {
    Object.assign(each.action, { bodyKind: "json", json: "{", redirects: "x", timeout: { amount: "soon", unit: "s" } });
    Object.assign(each.trigger, { kind: "oneOff", at: "" });
    each.retry.factor = "";
    each.metadata = '{"id": 12345678901234567890}';
  });
  assert.deepEqual(
    createInput(form).problems.map(({ path }) => path.join(".")),
    ["trigger.oneOff.at", "action.payload", "action.timeoutMs", "action.redirects", "retry.factor", "metadata"],
  );
});

test("an update has only what was changed", () => {
  assert.deepEqual(updateInput(loaded(), loaded()), { input: {}, problems: [] });
  const { input, problems } = updateInput(after(loaded(), (form) => {
    form.name = "weekly report";
    form.pauseAfterFailures = "";
    form.action.url = "https://example.com/new";
    form.retry.maxAttempts = "4";
    form.trigger.endAt = "";
  }), loaded());
  assert.deepEqual(problems, []);
  assert.deepEqual(input, {
    name: "weekly report", pauseAfterFailures: 0, action: { url: "https://example.com/new" }, retry: { maxAttempts: 4 },
    trigger: { cron: { expression: "0 9 * * mon-fri", timezone: "Europe/Berlin", endAt: null } },
  });
});

test("an update keeps stored secrets, and removes a body", () => {
  const changed = after(loaded(), (form) => {
    form.action.headers[1]!.value = "text/html";
    form.action.bodyKind = "none";
    form.action.signing = "off";
  });
  assert.deepEqual(updateInput(changed, loaded()).input["action"], {
    headers: [{ name: "Authorization", secret: true }, { name: "Accept", value: "text/html" }], clearBody: true, signingSecrets: [],
  });
  const replaced = after(loaded(), (form) => {
    form.action.headers[0]!.value = "Bearer new-secret";
    Object.assign(form.action, { bodyKind: "text", text: "x" });
  });
  assert.deepEqual(updateInput(replaced, loaded()).input["action"], {
    headers: [{ name: "Authorization", value: "Bearer new-secret", secret: true }, { name: "Accept", value: "*/*" }], body: "x",
  });
});

test("an update removes every optional member", () => {
  const set = after(loaded(), (form) => {
    Object.assign(form, { description: "x", externalId: "x", flowKey: "x", retentionDays: "3", metadata: "{}", deleteAfter: { amount: "1", unit: "d" } });
    Object.assign(form.retry, { retryStatuses: "5xx", maxElapsed: { amount: "1", unit: "h" } });
  });
  const { input, problems } = updateInput(after(set, (form) => {
    Object.assign(form, { description: "", externalId: "", flowKey: "", retentionDays: "", metadata: "", pauseAfterFailures: "" });
    form.deleteAfter.amount = form.retry.retryStatuses = form.retry.maxElapsed.amount = "";
  }), set);
  assert.deepEqual(problems, []);
  assert.deepEqual(input, {
    description: "", flowKey: "", pauseAfterFailures: 0, clearExternalId: true, clearRetentionDays: true, clearMetadata: true, clearDeleteAfterMs: true,
    retry: { clearRetryStatuses: true, clearMaxElapsedMs: true },
  });
});

test("what always has a value is not emptied silently", () => {
  const emptied = after(loaded(), ({ action }) => (action.timeout.amount = action.redirects = ""));
  assert.deepEqual(updateInput(emptied, loaded()).problems.map(({ path }) => path.join(".")), ["action.timeoutMs", "action.redirects"]);
});

test("stored secrets do not come along to a copy, nor into a trial", () => {
  const copy = duplicateOf(loaded());
  assert.equal(copy.name, "Copy of report");
  assert.deepEqual(copy.action.headers[0], { name: "Authorization", value: "", secret: true, stored: false });
  assert.equal(copy.action.signing, "new");
  assert.deepEqual(tryInput(loaded().action).problems.map(({ path }) => path.join(".")), ["action.headers.0.value", "action.signingSecrets"]);
});

test("a curl command fills the request and leaves the rest", () => {
  const { request } = readCurl(`curl --retry 2 --retry-delay 3 https://example.com/a -H 'Authorization: Bearer 123456' --json '{"a":1}'`);
  const form = withCurl(after(emptyForm("UTC"), (each) => (each.tags = "x")), request);
  assert.equal(form.name, "POST example.com/a");
  assert.equal(form.tags, "x");
  assert.equal(form.action.json, '{\n  "a": 1\n}');
  assert.deepEqual(form.action.headers[0], { name: "Authorization", value: "Bearer 123456", secret: true, stored: false });
  assert.deepEqual([form.retry.maxAttempts, form.retry.initialDelay], ["3", { amount: "3", unit: "s" }]);
});

test("what somebody else changed is shown, and kept unless the form changes it too", () => {
  const now = after(loaded(), (form) => {
    form.name = "theirs";
    form.action.url = "https://example.com/theirs";
  });
  const mine = after(loaded(), (form) => {
    form.name = "mine";
    form.tags = "mine";
  });
  assert.deepEqual(changesBetween(loaded(), now, mine), [
    { label: "Name", before: "report", now: "theirs", overwritten: true },
    { label: "URL", before: "https://example.com/", now: "https://example.com/theirs", overwritten: false },
  ]);
  const both = merged(loaded(), now, mine);
  assert.deepEqual([both.name, both.action.url, both.tags], ["mine", "https://example.com/theirs", "mine"]);
});

test("a local time becomes an instant by its zone's clock, and comes back", () => {
  assert.deepEqual(toInstant("2026-07-01T09:00", "Europe/Berlin"), { instant: "2026-07-01T07:00:00.000Z", note: null });
  assert.deepEqual(toInstant("2026-10-25T02:30", "Europe/Berlin"), { instant: "2026-10-25T00:30:00.000Z", note: "repeated" });
  assert.deepEqual(toInstant("2026-03-29T02:30", "Europe/Berlin"), { instant: "2026-03-29T01:30:00.000Z", note: "skipped" });
  assert.equal(toInstant("2026-07-01", "UTC"), null);
  assert.equal(toLocal("2026-07-01T07:00:00.000000Z", "Europe/Berlin"), "2026-07-01T09:00");
  assert.equal(toLocal("2026-07-01T07:00:01.500000Z", "Asia/Kolkata"), "2026-07-01T12:30:01.500");
  const form = after(emptyForm("Asia/Kolkata"), (each) => Object.assign(each.trigger, { kind: "oneOff", at: "2030-01-01T12:00" }));
  assert.deepEqual(previewInput(form.trigger), { input: { oneOff: { at: "2030-01-01T06:30:00.000Z" } }, problems: [] });
});

test("numbers whose digits a browser would lose are found", () => {
  for (const text of ["12345678901234567890", "[0.12345678901234567890]"]) {
    assert(losesDigits(text), text);
  }
  for (const text of ["1.10", "1e5", "100000", "0.001", "-0", '{"a": "12345678901234567890"}', "9007199254740991"]) {
    assert(!losesDigits(text), text);
  }
});
