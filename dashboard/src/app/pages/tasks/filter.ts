// The filter and the order of the list of tasks, as they stand in the address.
import type { VariablesOf } from "../../api/graphql";
import { RUN_STATES, TASK_STATUSES, type RunState, type TaskStatus } from "../../ui/states";
import type { TASKS } from "./query";

export const ORDERS = {
  NEXT_RUN_AT_ASC: "Next run",
  NAME_ASC: "Name",
  CREATED_AT_DESC: "Newest",
  CREATED_AT_ASC: "Oldest",
} as const;
export type Order = keyof typeof ORDERS;
export const DEFAULT_ORDER: Order = "NEXT_RUN_AT_ASC";

export interface TasksSearch {
  q?: string | undefined;
  status?: TaskStatus | undefined;
  last?: RunState | undefined;
  tags?: string[] | undefined;
  order?: Order | undefined;
}

export type TaskFilter = NonNullable<VariablesOf<typeof TASKS>["filter"]>;

/** Return the parts of an address that are valid. */
export function validateTasksSearch({ q, status, last, tags, order }: Record<string, unknown>): TasksSearch {
  return {
    ...(typeof q === "string" && q !== "" ? { q } : {}),
    ...(typeof status === "string" && status in TASK_STATUSES ? { status: status as TaskStatus } : {}),
    ...(typeof last === "string" && last in RUN_STATES ? { last: last as RunState } : {}),
    ...(Array.isArray(tags) && tags.every((tag) => typeof tag === "string") && tags.length > 0 ? { tags: tags as string[] } : {}),
    ...(typeof order === "string" && order in ORDERS ? { order: order as Order } : {}),
  };
}

/** Return the filter that an address means. Text with a slash or a dot is looked for in URLs, other text in names. */
export function filterOf({ q, status, last, tags }: TasksSearch): TaskFilter {
  return {
    ...(q === undefined ? {} : /[/.]/.test(q) ? { urlContains: q } : { nameContains: q }),
    ...(status === undefined ? {} : { statuses: [status] }),
    ...(last === undefined ? {} : { lastRunStates: [last] }),
    ...(tags === undefined ? {} : { tags }),
  };
}
