// The list of tasks, read page by page as far as the reader scrolls, and again while it is visible.
import type { CombinedError } from "@urql/core";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { client } from "../../api/client";
import type { TaskStatus } from "../../ui/states";
import type { Order, TaskFilter } from "./filter";
import { PAGE_SIZE, TASKS, type TaskRow } from "./query";

const REFRESH_EVERY_MS = 10_000;

interface TaskPages {
  rows: readonly TaskRow[] | undefined;
  total: number;
  isTotalCapped: boolean;
  error: CombinedError | undefined;
  hasMore: boolean;
  /** Read the next page, unless that is under way. */
  more: () => void;
  refresh: () => void;
  /** Show a status of tasks before the service has answered. The function that it returns takes that back for some of them. */
  assume: (ids: readonly string[], status: TaskStatus) => (refused: readonly string[]) => void;
}

interface Read {
  pages: readonly (readonly TaskRow[])[];
  cursors: readonly (string | null)[];
  total: number;
  isTotalCapped: boolean;
  hasMore: boolean;
}

const NOTHING: Read = { pages: [], cursors: [null], total: 0, isTotalCapped: false, hasMore: false };

/** Return the pages that were read. `shownPage` is the page that the reader sees, which is kept up to date. */
export function useTaskPages(filter: TaskFilter, order: Order, shownPage: number): TaskPages {
  const [read, setRead] = useState<Read>();
  const [error, setError] = useState<CombinedError>();
  const generation = useRef(0);
  const underWay = useRef(false);
  const key = JSON.stringify([filter, order]);

  const load = useCallback(
    async (page: number, before: Read) => {
      const current = generation.current;
      underWay.current = true;
      const variables = { first: PAGE_SIZE, after: before.cursors[page] ?? null, filter, orderBy: order };
      const { data, error: failed } = await client.query(TASKS, variables, { requestPolicy: "network-only" }).toPromise();
      underWay.current = false;
      if (current !== generation.current) {
        return;
      }
      setError(failed);
      if (data !== undefined) {
        const { nodes, pageInfo, totalCount, totalCountCapped } = data.tasks;
        setRead((old = NOTHING) => ({
          pages: [...old.pages.slice(0, page), nodes, ...old.pages.slice(page + 1)],
          cursors: [...old.cursors.slice(0, page + 1), pageInfo.endCursor, ...old.cursors.slice(page + 2)],
          total: totalCount,
          isTotalCapped: totalCountCapped,
          hasMore: page >= old.pages.length - 1 ? pageInfo.hasNextPage : old.hasMore,
        }));
      }
    },
    // The key stands for filter and order, which are new objects at each rendering.
    [key],
  );

  useEffect(() => {
    generation.current += 1;
    setRead(undefined);
    void load(0, NOTHING);
  }, [load]);

  const refresh = useCallback(() => {
    if (!document.hidden && !underWay.current) {
      void load(read === undefined ? 0 : Math.min(shownPage, read.pages.length - 1), read ?? NOTHING);
    }
  }, [load, read, shownPage]);

  const assume = useCallback((ids: readonly string[], status: TaskStatus) => {
    const before = new Map<string, TaskRow>();
    const wanted = new Set(ids);
    setRead((old) =>
      mapped(old, (row) => {
        if (!wanted.has(row.id)) {
          return row;
        }
        before.set(row.id, row);
        return { ...row, status, nextRunAt: status === "PAUSED" ? null : row.nextRunAt };
      }),
    );
    return (refused: readonly string[]) => {
      const back = new Set(refused);
      setRead((old) => mapped(old, (row) => (back.has(row.id) ? (before.get(row.id) ?? row) : row)));
    };
  }, []);

  const latest = useRef(refresh);
  useEffect(() => {
    latest.current = refresh;
  });
  useEffect(() => {
    const timer = window.setInterval(() => latest.current(), REFRESH_EVERY_MS);
    return () => window.clearInterval(timer);
  }, []);

  const rows = useMemo(() => read?.pages.flat(), [read]);
  return {
    rows,
    total: read?.total ?? 0,
    isTotalCapped: read?.isTotalCapped ?? false,
    error,
    hasMore: read?.hasMore ?? false,
    more() {
      if (read !== undefined && read.hasMore && !underWay.current) {
        void load(read.pages.length, read);
      }
    },
    refresh,
    assume,
  };
}

function mapped(read: Read | undefined, change: (row: TaskRow) => TaskRow): Read | undefined {
  return read === undefined ? undefined : { ...read, pages: read.pages.map((page) => page.map(change)) };
}
