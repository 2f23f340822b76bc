// A list of entries that unfold, newest first, a page at a time.
import type { TypedDocumentNode } from "@urql/core";
import { useState, type ReactNode } from "react";
import { useQuery } from "urql";

import { ErrorNote, Skeleton } from "./feedback";
import { Icon } from "./icons";

interface Variables<Filter> {
  filter: Filter;
  after: string | null;
}

interface Props<Data, Filter, Node> {
  query: TypedDocumentNode<Data, { filter?: Filter | null; after?: string | null }>;
  filter: Filter;
  /** Return the page that the result of the query has. */
  page: (data: Data) => { nodes: readonly Node[]; pageInfo: { endCursor: string | null; hasNextPage: boolean } };
  /** What stands in place of no entries. */
  empty: ReactNode;
  /** Return an <Entry>. */
  children: (node: Node, data: Data) => ReactNode;
}

export function Entries<Data, Filter, Node extends { id: string }>(props: Props<Data, Filter, Node>) {
  return <EntriesAfter {...props} after={null} />;
}

/** A page of entries, with the pages behind it once they are asked for. */
function EntriesAfter<Data, Filter, Node extends { id: string }>({ after, ...props }: Props<Data, Filter, Node> & { after: string | null }) {
  const { query, filter, page, empty, children } = props;
  const [{ data, error }, refresh] = useQuery<Data, Variables<Filter>>({ query, variables: { filter, after } });
  const [hasMore, setMore] = useState(false);
  if (!data) {
    return error === undefined ? <Skeleton lines={6} /> : <ErrorNote error={error} retry={() => refresh({ requestPolicy: "network-only" })} />;
  }
  const { nodes, pageInfo } = page(data);
  if (nodes.length === 0) {
    return after === null ? empty : null;
  }
  return (
    <>
      <ul className="entries">
        {nodes.map((node) => (
          <li key={node.id}>{children(node, data)}</li>
        ))}
      </ul>
      {pageInfo.hasNextPage &&
        (hasMore ? (
          <EntriesAfter {...props} after={pageInfo.endCursor} />
        ) : (
          <p className="more-row">
            <button type="button" className="button" onClick={() => setMore(true)}>
              Load more
            </button>
          </p>
        ))}
    </>
  );
}

/** An entry: its line, and what it unfolds. */
export function Entry({ line, children }: { line: ReactNode; children: ReactNode }) {
  return (
    <details className="entry">
      <summary>
        <Icon name="right" />
        {line}
      </summary>
      <div className="entry-body">{children}</div>
    </details>
  );
}
