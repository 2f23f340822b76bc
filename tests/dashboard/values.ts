import assert from "node:assert/strict";
import { test } from "node:test";

import { fromMs, toMs } from "../../dashboard/src/app/forms/durations.ts";
import { place } from "../../dashboard/src/app/forms/problems.ts";
import { plan } from "../../dashboard/src/app/forms/retry.ts";

test("a duration is entered as an amount and a unit", () => {
  for (const [ms, amount, unit] of [[90_000, "90", "s"], [7_200_000, "2", "h"], [86_400_000, "1", "d"], [1_500, "1500", "ms"], [0, "0", "s"], [null, "", "s"]] as const) {
    assert.deepEqual(fromMs(ms), { amount, unit });
    assert.equal(toMs({ amount, unit }), ms);
  }
  assert.equal(toMs({ amount: "1,5", unit: "min" }), 90_000);
  assert.equal(toMs({ amount: "-1", unit: "min" }), NaN);
});

test("the delays of a retry policy grow up to the longest one", () => {
  const { attempts, dropped } = plan({ maxAttempts: 5, initialDelayMs: 1_000, factor: 2, maxDelayMs: 3_000, maxElapsedMs: null });
  assert.deepEqual(attempts.map(({ delayMs }) => delayMs), [0, 1_000, 2_000, 3_000, 3_000]);
  assert.deepEqual(attempts.map(({ afterMs }) => afterMs), [0, 1_000, 3_000, 6_000, 9_000]);
  assert.deepEqual([attempts[4]!.earliestMs, attempts[4]!.latestMs], [7_200, 10_800]);
  assert.equal(dropped, 0);
});

test("attempts that would begin too late are dropped", () => {
  const policy = { maxAttempts: 5, initialDelayMs: 1_000, factor: 2, maxDelayMs: 86_400_000, maxElapsedMs: 3_000 };
  assert.deepEqual(plan(policy).attempts.map(({ number }) => number), [1, 2, 3]);
  assert.equal(plan(policy).dropped, 2);
  assert.equal(plan({ ...policy, initialDelayMs: 0, factor: 10, maxAttempts: 100 }).attempts.length, 100);
});

test("problems are placed at the field that they name, or at the nearest one", () => {
  const fields = ["name", "action.url", "action.headers", "action.headers.0.value", "trigger.cron.expression", "trigger.oneOff.at"];
  const problem = (path: string, message = "must be shorter"): { path: string[]; message: string } => ({ path: path === "" ? [] : path.split("."), message });
  const { byField, elsewhere } = place(
    [
      problem("name"), problem("action.headers.0.value", "is missing; an empty value is ''"), problem("action.headers.3.name"),
      problem("trigger.oneOff.delayMs"), problem("trigger"), problem("idempotencyKey"), problem("", "is wrong"),
    ],
    fields,
  );
  assert.deepEqual(Object.fromEntries(byField), {
    "name": ["Must be shorter."],
    "action.headers.0.value": ["Is missing; an empty value is ''."],
    "action.headers": ["Must be shorter."],
    "trigger.cron.expression": ["Must be shorter."],
  });
  assert.deepEqual(elsewhere, ["trigger.oneOff.delayMs must be shorter", "idempotencyKey must be shorter", "Is wrong."]);
});
