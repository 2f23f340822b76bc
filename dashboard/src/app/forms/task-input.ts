// Turns the form into the inputs of the API, and says what it cannot send.
import { toExpression } from "./cron.ts";
import { type Duration, toMs } from "./durations.ts";
import type { Problem } from "./problems.ts";
import { losesDigits, type ActionForm, type HeaderRow, type RetryForm, type TaskForm, type TriggerForm } from "./task-form.ts";
import { toInstant } from "./wall-clock.ts";

type Members = Record<string, unknown>;

export interface Input<Values = Members> {
  input: Values;
  /** What is wrong in the browser already. The API does not get an input that has problems. */
  problems: Problem[];
}

/** Return what createTask takes. */
export function createInput(form: TaskForm): Input {
  const problems: Problem[] = [];
  const input = withoutNulls({
    name: form.name.trim(),
    description: form.description === "" ? null : form.description,
    tags: list(form.tags),
    trigger: triggerInput(form.trigger, problems),
    action: withoutNulls(actionMembers(form.action, problems)),
    retry: withoutNulls(retryMembers(form.retry, problems)),
    overlap: form.overlap,
    misfire: form.misfire,
    onLost: form.onLost,
    pauseAfterFailures: count(form.pauseAfterFailures, ["pauseAfterFailures"], problems),
    retentionDays: count(form.retentionDays, ["retentionDays"], problems),
    deleteAfterMs: milliseconds(form.deleteAfter, ["deleteAfterMs"], problems),
    flowKey: form.flowKey === "" ? null : form.flowKey,
    externalId: form.externalId === "" ? null : form.externalId,
    metadata: json(form.metadata, ["metadata"], problems),
  });
  return { input, problems };
}

/** Return what updateTask takes: only what differs between the form and the one that was loaded. */
export function updateInput(form: TaskForm, loaded: TaskForm): Input {
  const before = createInput(loaded).input;
  const { input: after, problems } = createInput(form);
  const input: Members = {};
  for (const name of OWN) {
    if (!equal(before[name], after[name])) {
      Object.assign(input, after[name] === undefined ? removal(name) : { [name]: after[name] });
    }
  }
  if (!equal(form.trigger, loaded.trigger)) {
    input["trigger"] = changedTrigger(form.trigger, loaded.trigger);
  }
  const action = changedAction(form.action, loaded.action);
  if (Object.keys(action).length > 0) {
    input["action"] = action;
  }
  const retry = Object.fromEntries(
    Object.entries(changed(retryMembers(form.retry, []), retryMembers(loaded.retry, []))).flatMap(([name, value]) =>
      Object.entries(value === null ? removal(name) : { [name]: value }),
    ),
  );
  if (Object.keys(retry).length > 0) {
    input["retry"] = retry;
  }
  return { input, problems };
}

/** Return what previewTrigger takes. */
export function previewInput(trigger: TriggerForm): Input {
  const problems: Problem[] = [];
  return { input: triggerInput(trigger, problems), problems };
}

/** Return what tryAction takes. Secrets that only the service has cannot be part of it. */
export function tryInput(action: ActionForm): Input {
  const problems: Problem[] = [];
  const input = withoutNulls(actionMembers(action, problems));
  for (const [place, header] of action.headers.entries()) {
    if (keepsStored(header)) {
      problems.push({ path: ["action", "headers", String(place), "value"], message: "is stored and cannot be read here; enter it again to try the request" });
    }
  }
  if (action.signing === "stored") {
    problems.push({ path: ["action", "signingSecrets"], message: "are stored and cannot be read here; enter them again to try the request" });
  }
  return { input, problems };
}

/** The members of a task that are no objects of their own. */
const OWN = [
  "name", "description", "tags", "overlap", "misfire", "onLost", "pauseAfterFailures", "retentionDays", "deleteAfterMs", "flowKey", "externalId",
  "metadata",
];
/** The values by which an update removes what was set, where a value does. */
const REMOVED: Members = { description: "", flowKey: "", pauseAfterFailures: 0 };

/** Return what in an update removes a member, because null leaves it as it is. */
function removal(name: string): Members {
  return name in REMOVED ? { [name]: REMOVED[name] } : { [`clear${name.charAt(0).toUpperCase()}${name.slice(1)}`]: true };
}

function triggerInput(form: TriggerForm, problems: Problem[]): Members {
  return { [form.kind]: withoutNulls(triggerMembers(form, problems)) };
}

function triggerMembers(form: TriggerForm, problems: Problem[]): Members {
  const at = (name: string): string[] => ["trigger", form.kind, name];
  if (form.kind === "oneOff") {
    return form.oneOff === "at"
      ? { at: required(instant(form.at, form.timezone, at("at"), problems), at("at"), problems) }
      : { delayMs: required(milliseconds(form.delay, at("delayMs"), problems), at("delayMs"), problems) };
  }
  const window = {
    startAt: instant(form.startAt, form.timezone, at("startAt"), problems),
    endAt: instant(form.endAt, form.timezone, at("endAt"), problems),
    jitterMs: milliseconds(form.jitter, at("jitterMs"), problems),
  };
  return form.kind === "cron"
    ? { expression: toExpression(form.cron), timezone: form.timezone, ...window }
    : { everyMs: required(milliseconds(form.every, at("everyMs"), problems), at("everyMs"), problems), ...window };
}

/** Return the changed members of a trigger of the same kind; null sets the default. A trigger of another kind is sent whole. */
function changedTrigger(form: TriggerForm, loaded: TriggerForm): Members {
  const after = triggerMembers(form, []);
  if (form.kind !== loaded.kind || form.kind === "oneOff") {
    return { [form.kind]: withoutNulls(after) };
  }
  const before = triggerMembers(loaded, []);
  const members = changed(after, before);
  // An instant that stays is not sent, although its local time differs in another zone.
  const always = form.kind === "cron" ? { expression: after["expression"], timezone: after["timezone"] } : { everyMs: after["everyMs"] };
  return { [form.kind]: { ...always, ...members } };
}

function actionMembers(form: ActionForm, problems: Problem[]): Members {
  return {
    method: form.method,
    url: form.url.trim(),
    headers: form.headers.map(headerInput),
    ...bodyMembers(form, problems),
    successStatuses: list(form.successStatuses),
    timeoutMs: required(milliseconds(form.timeout, ["action", "timeoutMs"], problems), ["action", "timeoutMs"], problems),
    redirects: required(count(form.redirects, ["action", "redirects"], problems), ["action", "redirects"], problems),
    signingSecrets: form.signing === "new" ? secretLines(form.signingSecrets) : null,
  };
}

function headerInput(header: HeaderRow): Members {
  return keepsStored(header)
    ? { name: header.name.trim(), secret: true }
    : { name: header.name.trim(), value: header.value, ...(header.secret ? { secret: true } : {}) };
}

function keepsStored(header: HeaderRow): boolean {
  return header.stored && header.value === "";
}

function bodyMembers(form: ActionForm, problems: Problem[]): Members {
  switch (form.bodyKind) {
    case "none":
      return {};
    case "json":
      return { payload: required(json(form.json, ["action", "payload"], problems), ["action", "payload"], problems) };
    case "text":
      return { body: form.text };
    case "bytes":
      return { bodyBase64: form.base64.replace(/\s/g, "") };
    case "form":
      return { form: form.fields.map(({ name, value }) => ({ name, value })) };
  }
}

function changedAction(form: ActionForm, loaded: ActionForm): Members {
  const { headers, signingSecrets, ...others } = changed(actionMembers(form, []), actionMembers(loaded, []));
  const [after, before] = [bodyMembers(form, []), bodyMembers(loaded, [])];
  const wasRemoved = Object.keys(after).length === 0 && Object.keys(before).length > 0;
  for (const name of ["payload", "body", "bodyBase64", "form"]) {
    delete others[name];
  }
  return {
    ...others,
    ...(headers === undefined ? {} : { headers }),
    ...(wasRemoved ? { clearBody: true } : equal(after, before) ? {} : after),
    ...(form.signing === "off" && loaded.signing !== "off" ? { signingSecrets: [] } : form.signing === "new" ? { signingSecrets } : {}),
  };
}

function retryMembers(form: RetryForm, problems: Problem[]): Members {
  const factor = Number(form.factor.replace(",", "."));
  if (form.factor.trim() === "" || Number.isNaN(factor)) {
    problems.push({ path: ["retry", "factor"], message: "must be a number from 1 to 10" });
  }
  return {
    maxAttempts: required(count(form.maxAttempts, ["retry", "maxAttempts"], problems), ["retry", "maxAttempts"], problems),
    initialDelayMs: required(milliseconds(form.initialDelay, ["retry", "initialDelayMs"], problems), ["retry", "initialDelayMs"], problems),
    factor,
    maxDelayMs: required(milliseconds(form.maxDelay, ["retry", "maxDelayMs"], problems), ["retry", "maxDelayMs"], problems),
    retryStatuses: form.retryStatuses.trim() === "" ? null : list(form.retryStatuses),
    maxElapsedMs: milliseconds(form.maxElapsed, ["retry", "maxElapsedMs"], problems),
  };
}

/** Return the parts of a text that commas separate. */
export function list(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

function secretLines(text: string): string[] {
  return text.split(/\s+/).filter((line) => line !== "");
}

function count(text: string, path: string[], problems: Problem[]): number | null {
  if (text.trim() === "") {
    return null;
  }
  const value = Number(text);
  // The API's Int has 32 bits.
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 31) {
    problems.push({ path, message: "must be a whole number of 0 or more" });
    return null;
  }
  return value;
}

function milliseconds(duration: Duration, path: string[], problems: Problem[]): number | null {
  const value = toMs(duration);
  if (value !== null && !Number.isSafeInteger(value)) {
    problems.push({ path, message: "must be a number of 0 or more" });
    return null;
  }
  return value;
}

function instant(local: string, timezone: string, path: string[], problems: Problem[]): string | null {
  if (local === "") {
    return null;
  }
  let reading = null;
  try {
    reading = toInstant(local, timezone);
  } catch {
    problems.push({ path, message: "needs a time zone that this browser knows" });
    return null;
  }
  if (reading === null) {
    problems.push({ path, message: "must be a date and a time" });
  }
  return reading?.instant ?? null;
}

function json(text: string, path: string[], problems: Problem[]): unknown {
  if (text.trim() === "") {
    return null;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (losesDigits(text)) {
      problems.push({ path, message: "has a number with more digits than a browser keeps; write it as a string, or send the body as text" });
    }
    return value;
  } catch (error) {
    problems.push({ path, message: `is not valid JSON: ${(error as Error).message}` });
    return null;
  }
}

/** Return the value. Nothing, which is reported unless its own problem is known already, is not accepted. */
function required<Value>(value: Value | null, path: string[], problems: Problem[]): Value | null {
  if (value === null && !problems.some((problem) => equal(problem.path, path))) {
    problems.push({ path, message: "is missing" });
  }
  return value;
}

function changed(after: Members, before: Members): Members {
  const names = new Set([...Object.keys(after), ...Object.keys(before)]);
  return Object.fromEntries([...names].filter((name) => !equal(after[name], before[name])).map((name) => [name, after[name] ?? null]));
}

function withoutNulls(members: Members): Members {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null && value !== undefined));
}

/** Return whether two values of a form are the same. */
export function equal(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
