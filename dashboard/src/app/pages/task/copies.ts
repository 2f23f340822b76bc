// A task as text to use elsewhere: a curl command, a mutation, or YAML. Secrets are never known here, so a mark stands for them.
import type { TaskData } from "./query";

const SECRET = "SECRET";

interface Pair {
  name: string;
  value: string;
}

function headersOf(task: TaskData): (Pair & { secret: boolean })[] {
  return task.action.headers.map(({ name, value, secret }) => ({ name, value: value ?? SECRET, secret }));
}

/** Return a curl command that makes the same call. */
export function asCurl(task: TaskData): string {
  const { method, url, payload, body, bodyEncoding, form } = task.action;
  const headers = headersOf(task).map(({ name, value }) => `-H ${quoted(`${name}: ${value}`)}`);
  const names = new Set(task.action.headers.map(({ name }) => name.toLowerCase()));
  const type = (value: string) => (names.has("content-type") ? [] : [`-H ${quoted(`Content-Type: ${value}`)}`]);
  const data =
    payload !== null
      ? [...type("application/json"), `--data-raw ${quoted(JSON.stringify(payload))}`]
      : form !== null
        ? form.map(({ name, value }) => `--data-urlencode ${quoted(`${name}=${value}`)}`)
        : body === null
          ? []
          : bodyEncoding === "BASE64"
            ? [...type("application/octet-stream"), `--data-binary @<(base64 -d <<< ${quoted(body)})`]
            : [...type("text/plain; charset=utf-8"), `--data-raw ${quoted(body)}`];
  const verb = method === "HEAD" ? ["--head"] : method === "GET" && data.length === 0 ? [] : [`-X ${method}`];
  return ["curl", ...verb, quoted(url), ...headers, ...data].join(" \\\n  ");
}

/** Return the input of the mutation createTask that makes the same task. */
function inputOf(task: TaskData): Record<string, unknown> {
  const { trigger, action, retry } = task;
  const { payload, body, bodyEncoding, form } = action;
  return present({
    name: task.name,
    externalId: task.externalId,
    description: task.description || null,
    trigger:
      trigger.__typename === "CronTrigger"
        ? { cron: present({ expression: trigger.expression, timezone: trigger.timezone, startAt: trigger.startAt, endAt: trigger.endAt, jitterMs: trigger.jitterMs || null }) }
        : trigger.__typename === "IntervalTrigger"
          ? { interval: present({ everyMs: trigger.everyMs, startAt: trigger.startAt, endAt: trigger.endAt, jitterMs: trigger.jitterMs || null }) }
          : { oneOff: { at: trigger.at } },
    action: present({
      method: action.method,
      url: action.url,
      headers: action.headers.length === 0 ? null : headersOf(task),
      payload,
      body: bodyEncoding === "UTF8" ? body : null,
      bodyBase64: bodyEncoding === "BASE64" ? body : null,
      form,
      successStatuses: action.successStatuses,
      timeoutMs: action.timeoutMs,
      redirects: action.redirects,
    }),
    retry: present({ ...retry }),
    overlap: task.overlap,
    misfire: task.misfire,
    onLost: task.onLost,
    tags: task.tags.length === 0 ? null : task.tags,
    flowKey: task.flowKey,
    pauseAfterFailures: task.pauseAfterFailures,
    retentionDays: task.retentionDays,
    deleteAfterMs: task.deleteAfterMs,
    metadata: task.metadata,
  });
}

/** Return a mutation with its variables, as the playground takes them. */
export function asGraphQL(task: TaskData): string {
  const mutation = "mutation ($input: CreateTaskInput!) {\n  createTask(input: $input) {\n    __typename\n    ... on Task { id }\n    ... on Error { message }\n  }\n}";
  return `${mutation}\n\n# Variables\n${JSON.stringify({ input: inputOf(task) }, null, 2)}\n`;
}

/** Return the task in YAML, with the members of CreateTaskInput. */
export function asYaml(task: TaskData): string {
  return `tasks:\n${lines([inputOf(task)], 1)}\n`;
}

function lines(value: object, level: number): string {
  const indent = "  ".repeat(level);
  if (Array.isArray(value)) {
    return value.map((item) => `${indent}- ${nested(item, level).trimStart()}`).join("\n");
  }
  return Object.entries(value)
    .map(([name, member]) => `${indent}${/^\w+$/.test(name) ? name : JSON.stringify(name)}:${nested(member, level, true)}`)
    .join("\n");
}

/** Return a value after a dash or a name. Scalars are written as JSON, which YAML contains. */
function nested(value: unknown, level: number, afterName = false): string {
  const isEmpty = typeof value === "object" && value !== null && Object.keys(value).length === 0;
  if (typeof value !== "object" || value === null || isEmpty) {
    return ` ${JSON.stringify(value)}`;
  }
  return `${afterName ? "\n" : ""}${lines(value, level + 1)}`;
}

function present(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null && value !== undefined));
}

/** Return a text as one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
