import assert from "node:assert/strict";
import { test } from "node:test";

import { type Cron, fromExpression, ofKind, toExpression } from "../../dashboard/src/app/forms/cron.ts";

const CHOSEN: [string, Cron][] = [
  ["* * * * *", { kind: "minutes", every: 1 }],
  ["*/15 * * * *", { kind: "minutes", every: 15 }],
  ["30 * * * *", { kind: "hourly", minute: 30 }],
  ["5 9 * * *", { kind: "daily", hour: 9, minute: 5 }],
  ["0 9 * * mon-fri", { kind: "weekdays", hour: 9, minute: 0 }],
  ["0 9 * * mon,wed,sun", { kind: "weekly", days: [1, 3, 0], hour: 9, minute: 0 }],
  ["0 9 31 * *", { kind: "monthly", day: 31, hour: 9, minute: 0 }],
  ["0 18 L * *", { kind: "lastDay", hour: 18, minute: 0 }],
  ["0 9 * * mon#2", { kind: "nthWeekday", nth: 2, day: 1, hour: 9, minute: 0 }],
  ["0 9 * * friL", { kind: "nthWeekday", nth: "last", day: 5, hour: 9, minute: 0 }],
];

test("what can be chosen becomes an expression, and comes back from it", () => {
  for (const [expression, cron] of CHOSEN) {
    assert.equal(toExpression(cron), expression);
    assert.deepEqual(fromExpression(expression), cron);
  }
});

test("other spellings of the same are recognised", () => {
  for (const [spelling, expression] of [
    ["@daily", "0 0 * * *"], ["@hourly", "0 * * * *"], ["@monthly", "0 0 1 * *"], ["@weekly", "0 0 * * sun"],
    ["0 9 ? * 1-5", "0 9 * * mon-fri"], ["0 9 * * 1,2,3,4,5", "0 9 * * mon-fri"], [" 05  9 * * 7 ", "5 9 * * sun"],
    ["0 9 * * MON-WED", "0 9 * * mon,tue,wed"], ["0 18 l * *", "0 18 L * *"], ["0 9 * * 5L", "0 9 * * friL"],
  ] as const) {
    assert.equal(toExpression(fromExpression(spelling)), expression);
  }
});

test("anything else is custom, and stays as it is written", () => {
  for (const expression of ["", "0 9 1 * mon", "*/7 * * * *", "0 9 * 1 *", "0 9,17 * * *", "0 9 * * fri-mon", "99 9 * * *", "0 9 32 * *", "@yearly", "x"]) {
    assert.deepEqual(fromExpression(expression), { kind: "custom", expression });
    assert.equal(toExpression(fromExpression(expression)), expression);
  }
});

test("another kind keeps the time of day", () => {
  assert.deepEqual(ofKind("weekly", { kind: "daily", hour: 7, minute: 45 }), { kind: "weekly", days: [1], hour: 7, minute: 45 });
  assert.deepEqual(ofKind("custom", { kind: "hourly", minute: 3 }), { kind: "custom", expression: "3 * * * *" });
});
