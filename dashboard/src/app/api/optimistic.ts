// Changes that show before the service has answered. If it refuses one, the page shows again what was before.
import type { Cache, OptimisticMutationResolver } from "@urql/exchange-graphcache";

/** Return a task in a new status. A member that the page does not know yet stays unknown until the answer. */
function inStatus(cache: Cache, id: unknown, members: Record<string, unknown>): Record<string, unknown> {
  const task = { __typename: "Task", id: String(id) };
  return { version: cache.resolve(task, "version") ?? 0, pausedAt: null, pausedBy: null, pauseReason: null, ...members, ...task };
}

export const optimistic: Record<string, OptimisticMutationResolver> = {
  pauseTask: ({ id, reason }, cache) =>
    inStatus(cache, id, { status: "PAUSED", nextRunAt: null, pausedAt: new Date().toISOString(), pauseReason: reason ?? null }) as never,
  resumeTask: ({ id }, cache) => {
    const upcoming = cache.resolve({ __typename: "Task", id: String(id) }, "upcoming", { count: 5 }) as readonly string[] | null | undefined;
    return inStatus(cache, id, { status: "SCHEDULED", nextRunAt: upcoming?.[0] ?? null }) as never;
  },
};
