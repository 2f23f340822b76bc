// A table of what a query returns, in a card of its own: grey lines until then, and something else in place of no rows.
import type { CombinedError } from "@urql/core";
import type { ReactNode } from "react";

import { ErrorNote, Skeleton } from "./feedback";
import { TableArea } from "./TableArea";

interface Column {
  title: string;
  /** Whether the column is left out where the window is narrow. Its cells have the class wide-only too. */
  wideOnly?: boolean;
  /** Whether the title is for screen readers alone. */
  hidden?: boolean;
}

interface Props<Row> {
  label: string;
  columns: readonly Column[];
  /** Undefined until they are read. */
  rows: readonly Row[] | undefined;
  error: CombinedError | undefined;
  refresh: () => void;
  /** What stands in place of no rows. */
  empty: ReactNode;
  /** Return the <tr> of a row. */
  children: (row: Row) => ReactNode;
}

export function RowsCard<Row>({ label, columns, rows, error, refresh, empty, children }: Props<Row>) {
  return (
    <>
      {error !== undefined && <ErrorNote error={error} retry={refresh} />}
      {(rows !== undefined || error === undefined) && (
        <section className="card" aria-label={label}>
          {rows === undefined ? (
            <Skeleton lines={4} />
          ) : rows.length === 0 ? (
            empty
          ) : (
            <TableArea label={`Table: ${label}`}>
              <table>
                <thead>
                  <tr>
                    {columns.map(({ title, wideOnly = false, hidden = false }) => (
                      <th key={title} scope="col" className={wideOnly ? "wide-only" : undefined}>
                        <span className={hidden ? "visually-hidden" : undefined}>{title}</span>
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>{rows.map(children)}</tbody>
              </table>
            </TableArea>
          )}
        </section>
      )}
    </>
  );
}
