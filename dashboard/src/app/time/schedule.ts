// When a task is due, in words.
import { duration } from "./format";
import { MINE } from "./zone";

type Trigger =
  | { __typename: "CronTrigger"; description: string; timezone: string }
  | { __typename: "IntervalTrigger"; everyMs: number }
  | { __typename: "OneOffTrigger"; at: string };

/** A time of day in a description, such as "At 09:00". */
const HAS_TIME = /\d:\d/;

/** Return a schedule in words, with its zone. */
export function scheduleWords(trigger: Trigger): string {
  switch (trigger.__typename) {
    case "CronTrigger":
      // The service leaves UTC out, which readers elsewhere would take for their own zone.
      return trigger.timezone === "UTC" && MINE !== "UTC" && HAS_TIME.test(trigger.description) ? `${trigger.description} (UTC)` : trigger.description;
    case "IntervalTrigger":
      return `Every ${duration(trigger.everyMs)}`;
    case "OneOffTrigger":
      return "Once";
  }
}

/** Return the IANA zone of a schedule, or null if it has none. */
export function scheduleZone(trigger: Trigger): string | null {
  return trigger.__typename === "CronTrigger" ? trigger.timezone : null;
}
