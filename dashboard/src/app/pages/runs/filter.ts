// What the page of runs shows, as it stands in the address.
import type { RunFilter } from "../../bulk/operations";
import { RUN_STATES, type RunState } from "../../ui/states";

export const CAUSES = { SCHEDULE: "Scheduled", MANUAL: "By hand", RETRY: "Retry" } as const;
export type Cause = keyof typeof CAUSES;

export interface RunsSearch {
  view?: "history" | undefined;
  /** Whether the live feed shows only events that tell of trouble. */
  troubles?: boolean | undefined;
  state?: RunState | undefined;
  cause?: Cause | undefined;
  /** A part of the error's message. */
  error?: string | undefined;
  status?: number | undefined;
  host?: string | undefined;
  tags?: string[] | undefined;
  /** Instants between which runs were due. */
  from?: string | undefined;
  to?: string | undefined;
}

const STATUS = { least: 100, most: 599 };

/** Return the parts of an address that are valid. The router reads a text of digits as a number. */
export function validateRunsSearch(search: Record<string, unknown>): RunsSearch {
  const { view, troubles, state, cause, status, tags } = search;
  const text = (name: "error" | "host"): string => (["string", "number"].includes(typeof search[name]) ? String(search[name]) : "");
  const instant = (name: "from" | "to"): string => (typeof search[name] === "string" && !Number.isNaN(Date.parse(search[name])) ? search[name] : "");
  const texts = Object.fromEntries(
    Object.entries({ error: text("error"), host: text("host"), from: instant("from"), to: instant("to") }).filter(([, value]) => value !== ""),
  );
  return {
    ...(view === "history" ? { view } : {}),
    ...(troubles === true ? { troubles } : {}),
    ...(typeof state === "string" && state in RUN_STATES ? { state: state as RunState } : {}),
    ...(typeof cause === "string" && cause in CAUSES ? { cause: cause as Cause } : {}),
    ...(isStatus(status) ? { status } : {}),
    ...(Array.isArray(tags) && tags.length > 0 ? { tags: tags.map(String) } : {}),
    ...texts,
  };
}

export function isStatus(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= STATUS.least && Number(value) <= STATUS.most;
}

/** Return the filter that an address means. */
export function runFilterOf({ state, cause, error, status, host, tags, from, to }: RunsSearch): RunFilter {
  return {
    ...(state === undefined ? {} : { states: [state] }),
    ...(cause === undefined ? {} : { causes: [cause] }),
    ...(error === undefined ? {} : { errorContains: error }),
    ...(status === undefined ? {} : { statusCode: status }),
    ...(host === undefined ? {} : { host }),
    ...(tags === undefined ? {} : { tags }),
    ...(from === undefined ? {} : { scheduledAfter: from }),
    ...(to === undefined ? {} : { scheduledBefore: to }),
  };
}
