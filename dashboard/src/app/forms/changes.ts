// What differs between forms: whether anything was typed, and what somebody else has changed meanwhile.
import { duration as inWords } from "../time/format.ts";
import { toExpression } from "./cron.ts";
import { type Duration, toMs } from "./durations.ts";
import type { TaskForm } from "./task-form.ts";
import { equal } from "./task-input.ts";

interface Part {
  label: string;
  /** The members of the form that belong to the part, as paths. */
  members: string[];
  words: (form: TaskForm) => string;
}

export interface Change {
  label: string;
  before: string;
  now: string;
  /** Whether the form has another value for the same part, which saving would put in its place. */
  overwritten: boolean;
}

const PARTS: Part[] = [
  { label: "Name", members: ["name"], words: (form) => form.name },
  { label: "Schedule", members: ["trigger"], words: trigger },
  { label: "Method", members: ["action.method"], words: (form) => form.action.method },
  { label: "URL", members: ["action.url"], words: (form) => form.action.url },
  { label: "Headers", members: ["action.headers"], words: headers },
  {
    label: "Body",
    members: ["action.bodyKind", "action.json", "action.text", "action.base64", "action.fields"],
    words: ({ action }) => ({
      none: "", json: action.json, text: action.text, bytes: action.base64,
      form: action.fields.map(({ name, value }) => `${name}=${value}`).join("&"),
    })[action.bodyKind],
  },
  { label: "Success statuses", members: ["action.successStatuses"], words: (form) => form.action.successStatuses },
  { label: "Timeout", members: ["action.timeout"], words: (form) => duration(form.action.timeout) },
  { label: "Redirects", members: ["action.redirects"], words: (form) => form.action.redirects },
  { label: "Signature", members: ["action.signing", "action.signingSecrets"], words: (form) => (form.action.signing === "off" ? "off" : "on") },
  {
    label: "Retries",
    members: ["retry"],
    words: ({ retry }) => `${retry.maxAttempts} attempts, first after ${duration(retry.initialDelay)}, times ${retry.factor}, at most ${duration(retry.maxDelay)}`,
  },
  { label: "While a run is unfinished", members: ["overlap"], words: (form) => form.overlap },
  { label: "Missed runs", members: ["misfire"], words: (form) => form.misfire },
  { label: "Lost workers", members: ["onLost"], words: (form) => form.onLost },
  { label: "Tags", members: ["tags"], words: (form) => form.tags },
  { label: "Description", members: ["description"], words: (form) => form.description },
  { label: "Pause after failures", members: ["pauseAfterFailures"], words: (form) => form.pauseAfterFailures },
  { label: "Days that runs are kept", members: ["retentionDays"], words: (form) => form.retentionDays },
  { label: "Deleted after", members: ["deleteAfter"], words: (form) => duration(form.deleteAfter) },
  { label: "Flow key", members: ["flowKey"], words: (form) => form.flowKey },
  { label: "External id", members: ["externalId"], words: (form) => form.externalId },
  { label: "Metadata", members: ["metadata"], words: (form) => form.metadata },
];

/** Return what has changed between the form that was loaded and the task as it is now. */
export function changesBetween(loaded: TaskForm, now: TaskForm, mine: TaskForm): Change[] {
  return PARTS.filter((part) => differs(part, loaded, now)).map((part) => ({
    label: part.label,
    before: part.words(loaded),
    now: part.words(now),
    overwritten: differs(part, mine, loaded) && differs(part, mine, now),
  }));
}

/** Return the task as it is now, with those parts that differ between my form and the one that was loaded. */
export function merged(loaded: TaskForm, now: TaskForm, mine: TaskForm): TaskForm {
  const form = structuredClone(now);
  for (const part of PARTS.filter((each) => differs(each, mine, loaded))) {
    for (const member of part.members) {
      put(form, member, structuredClone(at(mine, member)));
    }
  }
  return form;
}

function differs(part: Part, one: TaskForm, other: TaskForm): boolean {
  return part.members.some((member) => !equal(at(one, member), at(other, member)));
}

function at(form: TaskForm, member: string): unknown {
  return member.split(".").reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], form);
}

function put(form: TaskForm, member: string, value: unknown): void {
  const names = member.split(".");
  const parent = names.slice(0, -1).reduce<unknown>((found, name) => (found as Record<string, unknown>)[name], form);
  (parent as Record<string, unknown>)[names.at(-1)!] = value;
}

function trigger({ trigger: form }: TaskForm): string {
  switch (form.kind) {
    case "cron":
      return `${toExpression(form.cron)} in ${form.timezone}`;
    case "interval":
      return `every ${duration(form.every)}`;
    case "oneOff":
      return form.oneOff === "at" ? `${form.at.replace("T", " ")} in ${form.timezone}` : `after ${duration(form.delay)}`;
  }
}

function headers({ action }: TaskForm): string {
  return action.headers.map(({ name, value, secret }) => `${name}: ${secret ? "(secret)" : value}`).join("\n");
}

function duration(form: Duration): string {
  const ms = toMs(form);
  return ms === null || Number.isNaN(ms) ? form.amount : inWords(ms);
}
