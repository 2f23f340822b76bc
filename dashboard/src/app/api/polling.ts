// Queries that stay up to date by asking again, as long as somebody can see the page.
import type { AnyVariables, TypedDocumentNode } from "@urql/core";
import { useEffect } from "react";
import { useQuery, type UseQueryState } from "urql";

/** Return the result of a query, which is sent again at an interval while the page is visible, and when it becomes so. */
export function usePolled<Data, Variables extends AnyVariables>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  { everyMs, pause = false }: { everyMs: number; pause?: boolean },
): Omit<UseQueryState<Data, Variables>, "data"> & { data: Data | undefined; refresh: () => void } {
  const [state, execute] = useQuery<Data, Variables>({ query, variables, pause } as Parameters<typeof useQuery<Data, Variables>>[0]);
  useEffect(() => {
    if (pause) {
      return;
    }
    const refresh = (): void => {
      if (!document.hidden) {
        execute({ requestPolicy: "network-only" });
      }
    };
    const timer = window.setInterval(refresh, everyMs);
    document.addEventListener("visibilitychange", refresh);
    return () => {
      window.clearInterval(timer);
      document.removeEventListener("visibilitychange", refresh);
    };
  }, [execute, everyMs, pause]);
  // A refusal of the whole query comes with null in place of data.
  return { ...state, data: state.data ?? undefined, refresh: () => execute({ requestPolicy: "network-only" }) };
}
