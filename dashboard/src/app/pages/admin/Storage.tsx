// Storage: what takes how much space, day by day, and what goes next.
import "./admin.css";

import { graphql, type ResultOf } from "../../api/graphql";
import { usePolled } from "../../api/polling";
import { useMay } from "../../api/viewer";
import { compact } from "../../time/format";
import { Card } from "../../ui/Card";
import { ErrorNote, Skeleton } from "../../ui/feedback";
import { TableArea } from "../../ui/TableArea";
import { Time } from "../../ui/Time";
import { AdminPage } from "./AdminPage";
import { bytes } from "./bytes";

const STORAGE = graphql(`
  query Storage {
    storage {
      totalBytes
      kinds {
        kind
        rows
        bytes
        retentionDays
      }
      days {
        kind
        day
        rows
        bytes
      }
      nextPruning {
        kind
        before
        at
        rows
        bytes
      }
    }
  }
`);

type StorageData = ResultOf<typeof STORAGE>["storage"];

const MOST_DAYS = 60;
const WIDEST_DAY_REM = 6;

export function Storage() {
  const isAdmin = useMay("ADMIN");
  const { data, error, refresh } = usePolled(STORAGE, {}, { everyMs: 60_000, pause: !isAdmin });
  return (
    <AdminPage title="Storage">
      {error !== undefined && <ErrorNote error={error} retry={refresh} />}
      {data === undefined ? (
        error === undefined && <Skeleton lines={6} />
      ) : (
        <>
          <Kinds storage={data.storage} />
          <Days storage={data.storage} />
          <Pruning storage={data.storage} />
        </>
      )}
    </AdminPage>
  );
}

function Kinds({ storage }: { storage: StorageData }) {
  return (
    <Card title="What takes the space" aside={`${bytes(storage.totalBytes)} in all`}>
      <TableArea label="Table of kinds">
        <table>
          <thead>
            <tr>
              <th scope="col">Kind</th>
              <th scope="col">Size</th>
              <th scope="col">Rows</th>
              <th scope="col">Kept for</th>
            </tr>
          </thead>
          <tbody>
            {storage.kinds.map(({ kind, rows, bytes: size, retentionDays }) => (
              <tr key={kind}>
                <th scope="row" className="kind">
                  {kind}
                </th>
                <td>
                  <span className="load">
                    <meter aria-label={`Share of ${kind}`} min={0} max={Math.max(storage.totalBytes, 1)} value={size} />
                    {bytes(size)}
                  </span>
                </td>
                <td>{compact(rows)}</td>
                <td>{retentionDays === null ? <span className="ink-3">–</span> : retentionDays === 1 ? "1 day" : `${retentionDays} days`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableArea>
    </Card>
  );
}

/** The sizes of the last days, as bars. */
function Days({ storage }: { storage: StorageData }) {
  const kinds = [...new Set(storage.days.map(({ kind }) => kind))];
  if (kinds.length === 0) {
    return null;
  }
  return (
    <Card title="Day by day" aside="UTC">
      <div className="card-body form-columns">
        {kinds.map((kind) => {
          const days = storage.days.filter((day) => day.kind === kind).slice(-MOST_DAYS);
          const most = Math.max(...days.map((day) => day.bytes), 1);
          return (
            <figure key={kind} className="days">
              <figcaption>
                <strong className="kind">{kind}</strong> <span className="ink-2">at most {bytes(most)} a day</span>
              </figcaption>
              <ol style={{ maxWidth: `${days.length * WIDEST_DAY_REM}rem` }}>
                {days.map((day) => {
                  const words = `${String(day.day)}: ${bytes(day.bytes)}, ${compact(day.rows)} rows`;
                  return (
                    <li key={String(day.day)} title={words}>
                      <span className="visually-hidden">{words}</span>
                      <svg viewBox="0 0 1 100" preserveAspectRatio="none" aria-hidden="true">
                        <rect width={1} y={100 - (day.bytes / most) * 100} height={(day.bytes / most) * 100} />
                      </svg>
                    </li>
                  );
                })}
              </ol>
              <p className="ink-3 days-ends" style={{ maxWidth: `${days.length * WIDEST_DAY_REM}rem` }}>
                <span>{String(days[0]!.day)}</span>
                <span>{days.length > 1 && String(days.at(-1)!.day)}</span>
              </p>
            </figure>
          );
        })}
      </div>
    </Card>
  );
}

function Pruning({ storage }: { storage: StorageData }) {
  return (
    <Card title="What is removed next">
      {storage.nextPruning.length === 0 ? (
        <p className="card-body ink-2">Nothing is old enough to be removed soon.</p>
      ) : (
        <TableArea label="Table of what is removed next">
          <table>
            <thead>
              <tr>
                <th scope="col">Kind</th>
                <th scope="col">When</th>
                <th scope="col">From before</th>
                <th scope="col">At most</th>
              </tr>
            </thead>
            <tbody>
              {storage.nextPruning.map(({ kind, at, before, rows, bytes: size }) => (
                <tr key={kind}>
                  <th scope="row" className="kind">
                  {kind}
                </th>
                  <td>
                    <Time at={at} />
                  </td>
                  <td>
                    <Time at={before} form="short" />
                  </td>
                  <td>
                    {compact(rows)} rows, {bytes(size)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableArea>
      )}
    </Card>
  );
}
