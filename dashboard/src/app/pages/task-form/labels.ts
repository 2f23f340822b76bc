// The fields of the form in words, for the summary of what was refused.
const LABELS: Record<string, string> = {
  "name": "Name",
  "description": "Description",
  "tags": "Tags",
  "action.method": "Method",
  "action.url": "URL",
  "action.headers": "Headers",
  "action.payload": "Body",
  "action.body": "Body",
  "action.bodyBase64": "Body",
  "action.form": "Body",
  "action.successStatuses": "Statuses that are a success",
  "action.timeoutMs": "Timeout",
  "action.redirects": "Redirects",
  "action.signingSecrets": "Signing secrets",
  "trigger.cron.expression": "Cron expression",
  "trigger.cron.timezone": "Time zone",
  "trigger.interval.everyMs": "Interval",
  "trigger.oneOff.at": "Date and time",
  "trigger.oneOff.delayMs": "Delay",
  "retry.maxAttempts": "Attempts",
  "retry.initialDelayMs": "First delay",
  "retry.factor": "Factor of the delays",
  "retry.maxDelayMs": "Longest delay",
  "retry.retryStatuses": "Statuses that are retried",
  "retry.maxElapsedMs": "Time to give up",
  "pauseAfterFailures": "Pause after failed runs",
  "retentionDays": "Days that runs are kept",
  "deleteAfterMs": "Deletion",
  "flowKey": "Flow key",
  "externalId": "External id",
  "metadata": "Metadata",
};
const ENDINGS: Record<string, string> = { startAt: "Not before", endAt: "Not after", jitterMs: "Jitter" };

/** Return the name of a field for people. */
export function labelOf(field: string): string {
  const row = /^action\.(headers|form)\.(\d+)\.(name|value)$/.exec(field);
  if (row !== null) {
    return `${row[1] === "headers" ? "Header" : "Field"} ${Number(row[2]) + 1}`;
  }
  return LABELS[field] ?? ENDINGS[field.split(".").at(-1)!] ?? field;
}
