// The time zone in which times are written: the reader's, UTC, or that of the task at hand.
import { createChoice } from "../stored";

export const ZONES = ["mine", "utc", "task"] as const;
export type ZoneChoice = (typeof ZONES)[number];

export const zoneChoice = createChoice("duetime:zone", ZONES);

/** The IANA name of the reader's time zone. */
export const MINE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Return the IANA name of the zone for times of a task; `taskZone` is null for times of no task, and of tasks without a zone. */
export function zoneFor(choice: ZoneChoice, taskZone: string | null): string {
  return choice === "mine" ? MINE : choice === "utc" ? "UTC" : (taskZone ?? "UTC");
}
