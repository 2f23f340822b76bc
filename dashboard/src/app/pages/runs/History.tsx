// The runs that are stored, newest first, a page at a time.
import "./runs.css";

import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useQuery } from "urql";

import { graphql, type ResultOf } from "../../api/graphql";
import { usePolled } from "../../api/polling";
import type { RunFilter } from "../../bulk/operations";
import { RowCheck } from "../../bulk/RowCheck";
import { duration } from "../../time/format";
import { Empty, ErrorNote, Skeleton } from "../../ui/feedback";
import { RunStateBadge } from "../../ui/states";
import { Time } from "../../ui/Time";
import { causeWord } from "../run/words";

const RUNS = graphql(`
  query Runs($first: Int!, $filter: RunFilter, $after: String) {
    runs(first: $first, after: $after, filter: $filter) {
      nodes {
        id
        state
        cause
        scheduledFor
        startedAt
        finishedAt
        durationMs
        latenessMs
        statusCode
        errorMessage
        task {
          id
          name
        }
      }
      pageInfo {
        endCursor
        hasNextPage
      }
    }
  }
`);

type Page = ResultOf<typeof RUNS>["runs"];

export interface RunSelection {
  ids: ReadonlySet<string>;
  onChange: (ids: ReadonlySet<string>) => void;
}

const REFRESH_EVERY_MS = 5_000;
/** For filters that may have to read many runs. */
const REFRESH_SLOWLY_EVERY_MS = 30_000;

interface Props {
  filter: RunFilter;
  /** Which rows are selected; null if none can be. */
  selection?: RunSelection | null;
  /** Whether the rows name their task. */
  withTask?: boolean;
  /** Number of rows in a page. */
  first?: number;
}

/** A table of the runs that a filter selects. The first page stays up to date. */
export function History({ filter, selection = null, withTask = true, first = 50 }: Props) {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const isSlow = [filter.statusCode, filter.errorContains, filter.host, filter.tags].some((member) => member != null);
  const { data, error, refresh } = usePolled(RUNS, { first, filter, after: null }, { everyMs: isSlow ? REFRESH_SLOWLY_EVERY_MS : REFRESH_EVERY_MS });
  if (data === undefined) {
    return error === undefined ? <Skeleton lines={6} /> : <ErrorNote error={error} retry={refresh} />;
  }
  if (data.runs.nodes.length === 0) {
    return <Empty icon="runs" title={Object.keys(filter).every((name) => name === "taskId") ? "There are no runs yet." : "No runs match."} />;
  }
  const more = (page: Page) => setCursors([...cursors, page.pageInfo.endCursor!]);
  return (
    <div className={`runs-table${withTask ? "" : " runs-of-task"}${selection === null ? "" : " runs-selectable"}`}>
      <table>
        <thead>
          <tr>
            {selection !== null && <SelectAll page={data.runs} selection={selection} />}
            <th scope="col">State</th>
            {withTask && (
              <th scope="col" className="runs-task">
                Task
              </th>
            )}
            <th scope="col">Due</th>
            <th scope="col">Late</th>
            <th scope="col">Took</th>
            <th scope="col">Result</th>
          </tr>
        </thead>
        <Rows page={data.runs} withTask={withTask} selection={selection} />
        {cursors.map((after) => (
          <More
            key={after}
            filter={filter}
            selection={selection}
            after={after}
            withTask={withTask}
            first={first}
            onMore={after === cursors.at(-1) ? more : undefined}
          />
        ))}
      </table>
      {cursors.length === 0 && data.runs.pageInfo.hasNextPage && (
        <button type="button" className="button runs-more" onClick={() => more(data.runs)}>
          Load more
        </button>
      )}
    </div>
  );
}

interface MoreProps extends Required<Props> {
  after: string;
  onMore: ((page: Page) => void) | undefined;
}

function More({ filter, selection, after, withTask, first, onMore }: MoreProps) {
  const [{ data, error }] = useQuery({ query: RUNS, variables: { first, filter, after }, requestPolicy: "cache-first" });
  const columns = 5 + Number(withTask) + Number(selection !== null);
  if (data === undefined) {
    return (
      <tbody>
        <tr>
          <td colSpan={columns}>{error === undefined ? <Skeleton lines={3} /> : <ErrorNote error={error} />}</td>
        </tr>
      </tbody>
    );
  }
  return (
    <>
      <Rows page={data.runs} withTask={withTask} selection={selection} />
      {onMore !== undefined && data.runs.pageInfo.hasNextPage && (
        <tbody>
          <tr>
            <td colSpan={columns}>
              <button type="button" className="button" onClick={() => onMore(data.runs)}>
                Load more
              </button>
            </td>
          </tr>
        </tbody>
      )}
    </>
  );
}

/** The box that selects the newest runs, or none. */
function SelectAll({ page, selection: { ids, onChange } }: { page: Page; selection: RunSelection }) {
  return (
    <th scope="col" className="runs-check">
      <RowCheck
        label={`Select the newest ${page.nodes.length}`}
        checked={page.nodes.every(({ id }) => ids.has(id))}
        onChange={(isChecked) => onChange(new Set(isChecked ? page.nodes.map(({ id }) => id) : []))}
      />
    </th>
  );
}

function Rows({ page, withTask, selection }: { page: Page; withTask: boolean; selection: RunSelection | null }) {
  const toggle = (id: string, { ids, onChange }: RunSelection): void => {
    const changed = new Set(ids);
    if (!changed.delete(id)) {
      changed.add(id);
    }
    onChange(changed);
  };
  return (
    <tbody>
      {page.nodes.map((run) => (
        <tr key={run.id} className={selection?.ids.has(run.id) === true ? "is-selected" : undefined}>
          {selection !== null && (
            <td className="runs-check">
              <RowCheck label={`Select the run of ${run.task.name}`} checked={selection.ids.has(run.id)} onChange={() => toggle(run.id, selection)} />
            </td>
          )}
          <td className="runs-state">
            <Link to="/runs/$runId" params={{ runId: run.id }} className="row-link">
              <RunStateBadge state={run.state} />
            </Link>
          </td>
          {withTask && (
            <td className="runs-task">
              <Link to="/runs/$runId" params={{ runId: run.id }}>
                {run.task.name}
              </Link>
            </td>
          )}
          <td className="runs-due">
            <Time at={run.scheduledFor} />
            {run.cause !== "SCHEDULE" && <span className="ink-3"> · {causeWord(run.cause)}</span>}
          </td>
          <td className="runs-late ink-2">{run.latenessMs === null ? "" : duration(run.latenessMs)}</td>
          <td className="runs-took ink-2">{run.durationMs === null ? "" : duration(run.durationMs)}</td>
          <td className="runs-result ink-2" title={run.errorMessage ?? ""}>
            {run.errorMessage ?? (run.statusCode === null ? "" : `HTTP ${run.statusCode}`)}
          </td>
        </tr>
      ))}
    </tbody>
  );
}
