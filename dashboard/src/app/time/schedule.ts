// When a task is due, in words.
import { duration } from "./format";

type Trigger =
  | { __typename: "CronTrigger"; description: string; timezone: string }
  | { __typename: "IntervalTrigger"; everyMs: number }
  | { __typename: "OneOffTrigger"; at: string };

/** Return a schedule in words, with its zone. */
export function scheduleWords(trigger: Trigger): string {
  switch (trigger.__typename) {
    case "CronTrigger":
      return trigger.description;
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
