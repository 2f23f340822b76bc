// What a task does, in words.
import { duration } from "../../time/format";
import { scheduleWords } from "../../time/schedule";
import type { TaskData } from "./query";

const OVERLAP: Record<TaskData["overlap"], string> = {
  ALLOW: "A new run begins also while an earlier one is unfinished.",
  SKIP: "While a run is unfinished, it skips further ones.",
  QUEUE: "While a run is unfinished, the next one waits.",
};

const MISFIRE: Record<TaskData["misfire"], string> = {
  LATEST: "After downtime or a pause, it makes up for the latest run that it missed.",
  SKIP: "After downtime or a pause, it makes up for nothing that it missed.",
  ALL: "After downtime or a pause, it makes up for all runs that it missed.",
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
