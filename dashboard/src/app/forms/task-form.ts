// What the form of a task holds: texts as they are typed, so that nothing is lost while it makes no sense yet.
import { type Cron, fromExpression } from "./cron.ts";
import type { CurlRequest, HttpMethod } from "./curl-request.ts";
import { type Duration, fromMs } from "./durations.ts";
import { toLocal } from "./wall-clock.ts";

export const METHODS: readonly HttpMethod[] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

export interface HeaderRow {
  name: string;
  value: string;
  secret: boolean;
  /** Whether the service has a value for this secret, which stays while no other is typed. */
  stored: boolean;
}

export interface FieldRow {
  name: string;
  value: string;
}

export type BodyKind = "none" | "json" | "text" | "form" | "bytes";
export type Signing = "off" | "stored" | "new";

export interface ActionForm {
  method: HttpMethod;
  url: string;
  headers: HeaderRow[];
  bodyKind: BodyKind;
  json: string;
  text: string;
  base64: string;
  fields: FieldRow[];
  successStatuses: string;
  timeout: Duration;
  redirects: string;
  signing: Signing;
  signingSecrets: string;
}

export interface TriggerForm {
  kind: "cron" | "interval" | "oneOff";
  /** The zone of the cron expression, and of all local times in the form. */
  timezone: string;
  cron: Cron;
  every: Duration;
  startAt: string;
  endAt: string;
  jitter: Duration;
  oneOff: "at" | "delay";
  at: string;
  delay: Duration;
}

export interface RetryForm {
  maxAttempts: string;
  initialDelay: Duration;
  factor: string;
  maxDelay: Duration;
  retryStatuses: string;
  maxElapsed: Duration;
}

export type Overlap = "SKIP" | "QUEUE" | "ALLOW";
export type Misfire = "LATEST" | "SKIP" | "ALL";
export type OnLost = "RETRY" | "FAIL";

export interface TaskForm {
  name: string;
  description: string;
  tags: string;
  trigger: TriggerForm;
  action: ActionForm;
  retry: RetryForm;
  overlap: Overlap;
  misfire: Misfire;
  onLost: OnLost;
  pauseAfterFailures: string;
  retentionDays: string;
  deleteAfter: Duration;
  flowKey: string;
  externalId: string;
  metadata: string;
}

/** The members of GraphQL's Task that the form edits. */
export interface Definition {
  name: string;
  description: string;
  tags: readonly string[];
  trigger:
    | { __typename: "CronTrigger"; expression: string; timezone: string; startAt: string | null; endAt: string | null; jitterMs: number }
    | { __typename: "IntervalTrigger"; everyMs: number; startAt: string | null; endAt: string | null; jitterMs: number }
    | { __typename: "OneOffTrigger"; at: string };
  action: {
    method: HttpMethod;
    url: string;
    headers: readonly { name: string; value: string | null; secret: boolean }[];
    successStatuses: readonly string[];
    timeoutMs: number;
    redirects: number;
    signed: boolean;
    payload: unknown;
    body: string | null;
    bodyEncoding: "UTF8" | "BASE64";
    form: readonly { name: string; value: string }[] | null;
  };
  retry: {
    maxAttempts: number;
    initialDelayMs: number;
    factor: number;
    maxDelayMs: number;
    retryStatuses: readonly string[] | null;
    maxElapsedMs: number | null;
  };
  overlap: Overlap;
  misfire: Misfire;
  onLost: OnLost;
  pauseAfterFailures: number | null;
  retentionDays: number | null;
  deleteAfterMs: number | null;
  flowKey: string | null;
  externalId: string | null;
  metadata: unknown;
}

/** Return the form of a new task, with the API's defaults. */
export function emptyForm(timezone: string): TaskForm {
  return {
    name: "",
    description: "",
    tags: "",
    trigger: {
      kind: "cron",
      timezone,
      cron: { kind: "daily", hour: 9, minute: 0 },
      every: { amount: "5", unit: "min" },
      startAt: "",
      endAt: "",
      jitter: { amount: "", unit: "s" },
      oneOff: "at",
      at: "",
      delay: { amount: "10", unit: "min" },
    },
    action: {
      method: "GET",
      url: "",
      headers: [],
      bodyKind: "none",
      json: "",
      text: "",
      base64: "",
      fields: [],
      successStatuses: "2xx",
      timeout: { amount: "30", unit: "s" },
      redirects: "0",
      signing: "off",
      signingSecrets: "",
    },
    retry: {
      maxAttempts: "3",
      initialDelay: { amount: "5", unit: "s" },
      factor: "2",
      maxDelay: { amount: "5", unit: "min" },
      retryStatuses: "",
      maxElapsed: { amount: "", unit: "min" },
    },
    overlap: "SKIP",
    misfire: "LATEST",
    onLost: "RETRY",
    pauseAfterFailures: "",
    retentionDays: "",
    deleteAfter: { amount: "", unit: "d" },
    flowKey: "",
    externalId: "",
    metadata: "",
  };
}

/** Return the form of an existing task. Local times are those of its zone, or of the reader's where it has none. */
export function formOf(task: Definition, readersZone: string): TaskForm {
  const empty = emptyForm(readersZone);
  return {
    ...empty,
    name: task.name,
    description: task.description,
    tags: task.tags.join(", "),
    trigger: triggerOf(task.trigger, empty.trigger),
    action: actionOf(task.action, empty.action),
    retry: {
      maxAttempts: String(task.retry.maxAttempts),
      initialDelay: fromMs(task.retry.initialDelayMs),
      factor: String(task.retry.factor),
      maxDelay: fromMs(task.retry.maxDelayMs),
      retryStatuses: (task.retry.retryStatuses ?? []).join(", "),
      maxElapsed: fromMs(task.retry.maxElapsedMs, "min"),
    },
    overlap: task.overlap,
    misfire: task.misfire,
    onLost: task.onLost,
    pauseAfterFailures: String(task.pauseAfterFailures ?? ""),
    retentionDays: String(task.retentionDays ?? ""),
    deleteAfter: fromMs(task.deleteAfterMs, "d"),
    flowKey: task.flowKey ?? "",
    externalId: task.externalId ?? "",
    metadata: task.metadata === null || task.metadata === undefined ? "" : pretty(task.metadata),
  };
}

/** Return the form of a new task like another one. What is secret or unique does not come along. */
export function duplicateOf(form: TaskForm): TaskForm {
  return {
    ...form,
    name: `Copy of ${form.name}`.slice(0, 255),
    externalId: "",
    action: {
      ...form.action,
      headers: form.action.headers.map((header) => ({ ...header, stored: false })),
      signing: form.action.signing === "off" ? "off" : "new",
    },
  };
}

/** Return the form with the request of a curl command. */
export function withCurl(form: TaskForm, request: CurlRequest): TaskForm {
  const { body, retry } = request;
  const empty = emptyForm(form.trigger.timezone).action;
  const url = URL.parse(request.url);
  return {
    ...form,
    name: form.name !== "" || url === null ? form.name : `${request.method} ${url.host}${url.pathname === "/" ? "" : url.pathname}`.slice(0, 255),
    action: {
      ...empty,
      signing: form.action.signing,
      signingSecrets: form.action.signingSecrets,
      method: request.method,
      url: request.url,
      headers: request.headers.map((header) => ({ ...header, stored: false })),
      bodyKind: body.kind,
      json: body.kind === "json" ? indented(body.text) : "",
      text: body.kind === "text" ? body.text : "",
      fields: body.kind === "form" ? body.fields : [],
      timeout: request.timeoutMs === null ? empty.timeout : fromMs(request.timeoutMs),
      redirects: String(request.redirects),
    },
    retry: retry === null ? form.retry : {
      ...form.retry,
      maxAttempts: String(retry.maxAttempts),
      ...(retry.initialDelayMs === null ? {} : { initialDelay: fromMs(retry.initialDelayMs), factor: "1" }),
      ...(retry.maxElapsedMs === null ? {} : { maxElapsed: fromMs(retry.maxElapsedMs) }),
    },
  };
}

function triggerOf(trigger: Definition["trigger"], empty: TriggerForm): TriggerForm {
  if (trigger.__typename === "OneOffTrigger") {
    return { ...empty, kind: "oneOff", oneOff: "at", at: toLocal(trigger.at, empty.timezone) };
  }
  const timezone = trigger.__typename === "CronTrigger" ? trigger.timezone : empty.timezone;
  const shared = {
    timezone,
    startAt: trigger.startAt === null ? "" : toLocal(trigger.startAt, timezone),
    endAt: trigger.endAt === null ? "" : toLocal(trigger.endAt, timezone),
    jitter: trigger.jitterMs === 0 ? empty.jitter : fromMs(trigger.jitterMs),
  };
  return trigger.__typename === "CronTrigger"
    ? { ...empty, ...shared, kind: "cron", cron: fromExpression(trigger.expression) }
    : { ...empty, ...shared, kind: "interval", every: fromMs(trigger.everyMs) };
}

function actionOf(action: Definition["action"], empty: ActionForm): ActionForm {
  const hasPayload = action.payload !== null && action.payload !== undefined;
  const isBytes = action.body !== null && action.bodyEncoding === "BASE64";
  return {
    ...empty,
    method: action.method,
    url: action.url,
    headers: action.headers.map(({ name, value, secret }) => ({ name, value: value ?? "", secret, stored: secret })),
    bodyKind: hasPayload ? "json" : action.form !== null ? "form" : action.body === null ? "none" : isBytes ? "bytes" : "text",
    json: hasPayload ? pretty(action.payload) : "",
    text: isBytes ? "" : (action.body ?? ""),
    base64: isBytes ? (action.body ?? "") : "",
    fields: (action.form ?? []).map(({ name, value }) => ({ name, value })),
    successStatuses: action.successStatuses.join(", "),
    timeout: fromMs(action.timeoutMs),
    redirects: String(action.redirects),
    signing: action.signed ? "stored" : "off",
  };
}

/** Return a JSON text with line breaks. One that would lose digits of its numbers stays as it is. */
export function indented(text: string): string {
  const value: unknown = JSON.parse(text);
  return losesDigits(text) ? text : pretty(value);
}

/** Return whether a browser would change numbers of a JSON text, because they have more digits than its numbers hold. */
export function losesDigits(text: string): boolean {
  const numbers = text.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g) ?? [];
  return numbers.some((number) => digits(number) !== digits(String(Number(number))));
}

/** Return the digits of a number that matter, without its point, sign and exponent. */
function digits(number: string): string {
  return number.replace(/[eE].*$/, "").replace(/[-.]/g, "").replace(/^0+/, "").replace(/0+$/, "");
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
