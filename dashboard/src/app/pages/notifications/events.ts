// What notifications are about, in words.
import type { Delivery, Rule } from "./operations";

type RuleEvent = Rule["events"][number];

/** The events that a rule can select. */
export const EVENTS: readonly (readonly [RuleEvent, string, string])[] = [
  ["FAILED", "Failed", "A run failed after its retries, or its worker was lost."],
  ["RECOVERED", "Recovered", "A run succeeded after failures."],
  ["LATE", "Late", "A run began too late."],
  ["ABSENT", "Absent", "A run did not end in time, or was missed."],
  ["PAUSED", "Paused", "A task paused itself after failures."],
  ["NO_WORKERS", "No workers", "No worker is alive."],
];

const OTHERS: Partial<Record<Delivery["event"], string>> = { WORKERS_BACK: "Workers back", TEST: "Test" };

/** Return the name of an event for people. */
export function eventWord(event: Delivery["event"]): string {
  return EVENTS.find(([each]) => each === event)?.[1] ?? OTHERS[event] ?? event;
}
