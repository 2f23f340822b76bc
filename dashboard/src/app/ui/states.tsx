// States and statuses, each by a colour, an icon and a word.
import { Icon, type IconName } from "./icons";

export type RunState =
  | "QUEUED"
  | "RUNNING"
  | "RETRYING"
  | "SUCCEEDED"
  | "FAILED"
  | "CANCELLED"
  | "SKIPPED"
  | "MISSED"
  | "UNKNOWN";
export type TaskStatus = "SCHEDULED" | "PAUSED" | "COMPLETED" | "CANCELLED";
export type Tone = "ok" | "bad" | "warn" | "info" | "odd" | "quiet";

interface Look {
  tone: Tone;
  icon: IconName;
  word: string;
}

export const RUN_STATES: Record<RunState, Look> = {
  QUEUED: { tone: "quiet", icon: "clock", word: "Queued" },
  RUNNING: { tone: "info", icon: "running", word: "Running" },
  RETRYING: { tone: "warn", icon: "retry", word: "Retrying" },
  SUCCEEDED: { tone: "ok", icon: "check", word: "Succeeded" },
  FAILED: { tone: "bad", icon: "cross", word: "Failed" },
  CANCELLED: { tone: "quiet", icon: "ban", word: "Cancelled" },
  SKIPPED: { tone: "quiet", icon: "skip", word: "Skipped" },
  MISSED: { tone: "warn", icon: "missed", word: "Missed" },
  UNKNOWN: { tone: "odd", icon: "question", word: "Unknown" },
};

export const TASK_STATUSES: Record<TaskStatus, Look> = {
  SCHEDULED: { tone: "ok", icon: "clock", word: "Scheduled" },
  PAUSED: { tone: "warn", icon: "pause", word: "Paused" },
  COMPLETED: { tone: "quiet", icon: "check", word: "Completed" },
  CANCELLED: { tone: "quiet", icon: "ban", word: "Cancelled" },
};

export type RunEventType = Exclude<RunState, "RUNNING" | "RETRYING"> | "STARTED" | "ATTEMPT_FAILED" | "ATTEMPT_LOST";

export const EVENT_TYPES: Record<RunEventType, Look> = {
  QUEUED: RUN_STATES.QUEUED,
  STARTED: { tone: "info", icon: "play", word: "Started" },
  ATTEMPT_FAILED: { tone: "warn", icon: "retry", word: "Attempt failed" },
  ATTEMPT_LOST: { tone: "odd", icon: "question", word: "Attempt lost" },
  SUCCEEDED: RUN_STATES.SUCCEEDED,
  FAILED: RUN_STATES.FAILED,
  CANCELLED: RUN_STATES.CANCELLED,
  SKIPPED: RUN_STATES.SKIPPED,
  MISSED: RUN_STATES.MISSED,
  UNKNOWN: RUN_STATES.UNKNOWN,
};

/** The states in which a run has not ended. */
export const UNFINISHED: ReadonlySet<RunState> = new Set(["QUEUED", "RUNNING", "RETRYING"]);

/** A badge with an icon and a word. */
export function Badge({ tone, icon, word, plain = false }: Look & { plain?: boolean }) {
  return (
    <span className={`badge tone-${tone}${plain ? " badge-plain" : ""}${icon === "running" ? " is-running" : ""}`}>
      <Icon name={icon} />
      {word}
    </span>
  );
}

export function RunStateBadge({ state, plain = false }: { state: RunState; plain?: boolean }) {
  return <Badge {...RUN_STATES[state]} plain={plain} />;
}

export function TaskStatusBadge({ status }: { status: TaskStatus }) {
  return <Badge {...TASK_STATUSES[status]} />;
}
