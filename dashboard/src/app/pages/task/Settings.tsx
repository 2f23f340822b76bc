// The settings of a task, and the metadata that others keep with it.
import { duration } from "../../time/format";
import { CopyButton } from "../../ui/CopyButton";
import { Time } from "../../ui/Time";
import type { TaskData } from "./query";

export function Settings({ task }: { task: TaskData }) {
  const { trigger, retry, action } = task;
  const rows: [string, React.ReactNode][] = [
    ["Id", <span className="mono settings-id">{task.id} <CopyButton text={task.id} label="Copy the id" /></span>],
    ["External id", task.externalId],
    ["Flow key", task.flowKey === null ? null : <code>{task.flowKey}</code>],
    ["Schedule", trigger.__typename === "CronTrigger" ? <code>{trigger.expression}</code> : null],
    ["Time zone", trigger.__typename === "CronTrigger" ? trigger.timezone : null],
    ["Jitter", trigger.__typename !== "OneOffTrigger" && trigger.jitterMs > 0 ? `up to ${duration(trigger.jitterMs)}` : null],
    ["Begins", trigger.__typename === "CronTrigger" && trigger.startAt !== null ? <Time at={trigger.startAt} form="exact" /> : null],
    ["Ends", trigger.__typename !== "OneOffTrigger" && trigger.endAt !== null ? <Time at={trigger.endAt} form="exact" /> : null],
    ["Redirects", action.redirects === 0 ? "not followed" : `up to ${action.redirects}`],
    ["Retries on", retry.retryStatuses?.join(", ") ?? null],
    ["Retries within", retry.maxElapsedMs === null ? null : duration(retry.maxElapsedMs)],
    ["Lost attempts", task.onLost === "RETRY" ? "are repeated" : "fail"],
    ["Runs are kept", task.retentionDays === null ? null : task.retentionDays === 0 ? "without limit" : `${task.retentionDays} ${task.retentionDays === 1 ? "day" : "days"}`],
    ["Deleted", task.deleteAfterMs === null ? null : `${duration(task.deleteAfterMs)} after its end`],
    ["Metadata", task.metadata === null ? null : <code className="settings-metadata">{JSON.stringify(task.metadata)}</code>],
    ["Version", `${task.version}`],
    ["Changed", <Time at={task.updatedAt} />],
    ["Created", <Time at={task.createdAt} />],
  ];
  return (
    <dl className="facts card-body settings">
      {rows
        .filter(([, value]) => value !== null)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
