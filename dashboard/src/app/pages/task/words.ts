// What a task does, in words.
import { duration } from "../../time/format";
import { scheduleWords } from "../../time/schedule";
import type { TaskData } from "./query";

const OVERLAP: Record<TaskData["overlap"], string> = {
  ALLOW: "A run may begin while an earlier one is unfinished.",
  SKIP: "A run is skipped while an earlier one is unfinished.",
  QUEUE: "A run waits while an earlier one is unfinished.",
};

const MISFIRE: Record<TaskData["misfire"], string> = {
  LATEST: "Of the instants that were missed, the latest is made up for.",
  SKIP: "Instants that were missed are not made up for.",
  ALL: "All instants that were missed are made up for.",
};

/** Return sentences about the schedule, the call, its retries, and its policies. */
export function inWords(task: TaskData): string {
  const { trigger, action, retry, pauseAfterFailures } = task;
  const schedule = scheduleWords(trigger);
  const statuses = action.successStatuses.join(", ");
  return [
    `${schedule}, Duetime sends ${action.method} to ${host(action.url)} and takes a response of ${statuses} within ${duration(action.timeoutMs)} as a success.`,
    retry.maxAttempts === 1
      ? "A failed attempt is not repeated."
      : `A failed attempt is repeated up to ${retry.maxAttempts - 1} times, first after ${duration(retry.initialDelayMs)}${
          retry.factor > 1 ? `, then ${retry.factor === 2 ? "twice" : `${retry.factor} times`} as long each time, at most ${duration(retry.maxDelayMs)}` : ""
        }.`,
    OVERLAP[task.overlap],
    MISFIRE[task.misfire],
    pauseAfterFailures === null ? "" : `The task pauses itself after ${pauseAfterFailures} failed runs one after another.`,
  ]
    .filter((sentence) => sentence !== "")
    .join(" ");
}

function host(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
