// The runs that are stored, newest first, a page at a time.
import "./runs.css";

import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useQuery } from "urql";

import { graphql, type ResultOf, type VariablesOf } from "../../api/graphql";
import { usePolled } from "../../api/polling";
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

export type RunFilter = NonNullable<VariablesOf<typeof RUNS>["filter"]>;
type Page = ResultOf<typeof RUNS>["runs"];

interface Props {
  filter: RunFilter;
  /** Whether the rows name their task. */
  withTask?: boolean;
  /** Number of rows in a page. */
  first?: number;
}

/** A table of the runs that a filter selects. The first page stays up to date. */
export function History({ filter, withTask = true, first = 50 }: Props) {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const { data, error, refresh } = usePolled(RUNS, { first, filter, after: null }, { everyMs: 5_000 });
  if (data === undefined) {
    return error === undefined ? <Skeleton lines={6} /> : <ErrorNote error={error} retry={refresh} />;
  }
  if (data.runs.nodes.length === 0) {
    return <Empty icon="runs" title="No runs match." />;
  }
  const more = (page: Page) => setCursors([...cursors, page.pageInfo.endCursor!]);
  return (
    <div className={`runs-table${withTask ? "" : " runs-of-task"}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">State</th>
            {withTask && <th scope="col">Task</th>}
            <th scope="col">Due</th>
            <th scope="col">Late</th>
            <th scope="col">Took</th>
            <th scope="col">Result</th>
          </tr>
        </thead>
        <Rows page={data.runs} withTask={withTask} />
        {cursors.map((after) => (
          <More key={after} filter={filter} after={after} withTask={withTask} first={first} onMore={after === cursors.at(-1) ? more : undefined} />
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

function More({ filter, after, withTask, first, onMore }: MoreProps) {
  const [{ data, error }] = useQuery({ query: RUNS, variables: { first, filter, after }, requestPolicy: "cache-first" });
  const columns = withTask ? 6 : 5;
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
      <Rows page={data.runs} withTask={withTask} />
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

function Rows({ page, withTask }: { page: Page; withTask: boolean }) {
  return (
    <tbody>
      {page.nodes.map((run) => (
        <tr key={run.id}>
          <td>
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
