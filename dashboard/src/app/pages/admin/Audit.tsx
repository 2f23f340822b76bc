// The audit log: who changed what, newest first.
import "./admin.css";

import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { useQuery } from "urql";

import { graphql, type ResultOf, type VariablesOf } from "../../api/graphql";
import { useTaskName } from "../../api/task_names";
import { Empty, ErrorNote, Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { Time } from "../../ui/Time";
import { AdminPage } from "./AdminPage";
import { Differences } from "./Differences";

const AUDIT = graphql(`
  query AuditLog($filter: AuditFilter, $after: String) {
    auditLog(first: 50, after: $after, filter: $filter) {
      nodes {
        id
        at
        keyName
        action
        taskId
        runId
        before
        after
      }
      pageInfo {
        endCursor
        hasNextPage
      }
    }
  }
`);

type Filter = NonNullable<VariablesOf<typeof AUDIT>["filter"]>;
type Entry = ResultOf<typeof AUDIT>["auditLog"]["nodes"][number];

const route = getRouteApi("/audit");

/** The members of AuditFilter that the page's address has. */
const FIELDS = [["action", "Action", "updateTask"], ["keyName", "By", "name of a key"], ["taskId", "Task", "id of a task"]] as const;

export function Audit() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <AdminPage title="Audit log">
      <form
        className="filters"
        role="search"
        aria-label="Filter of the log"
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const values = FIELDS.map(([name]) => [name, String(form.get(name) ?? "").trim()] as const);
          void navigate({ search: Object.fromEntries(values.filter(([, value]) => value !== "")) });
        }}
      >
        {FIELDS.map(([name, label, placeholder]) => (
          <label key={name} className="filter">
            <span>{label}</span>
            <input key={search[name] ?? ""} name={name} defaultValue={search[name] ?? ""} placeholder={placeholder} autoComplete="off" spellCheck={false} />
          </label>
        ))}
        <button className="button">
          <Icon name="filter" />
          Filter
        </button>
        {Object.keys(search).length > 0 && (
          <button type="button" className="button" onClick={() => void navigate({ search: {} })}>
            All entries
          </button>
        )}
      </form>
      <section className="card" aria-label="Entries">
        <Entries key={JSON.stringify(search)} filter={search} after={null} isFirst />
      </section>
    </AdminPage>
  );
}

/** A page of entries, with the pages behind it once they are asked for. */
function Entries({ filter, after, isFirst = false }: { filter: Filter; after: string | null; isFirst?: boolean }) {
  const [{ data, error }, refresh] = useQuery({ query: AUDIT, variables: { filter, after } });
  const [hasMore, setMore] = useState(false);
  if (!data) {
    return error === undefined ? <Skeleton lines={6} /> : <ErrorNote error={error} retry={() => refresh({ requestPolicy: "network-only" })} />;
  }
  const { nodes, pageInfo } = data.auditLog;
  if (nodes.length === 0) {
    return isFirst ? <Empty icon="book" title="No entry matches." /> : null;
  }
  return (
    <>
      <ul className="entries">
        {nodes.map((entry) => (
          <li key={entry.id}>
            <EntryRow entry={entry} />
          </li>
        ))}
      </ul>
      {pageInfo.hasNextPage && pageInfo.endCursor !== null &&
        (hasMore ? (
          <Entries filter={filter} after={pageInfo.endCursor} />
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

function EntryRow({ entry }: { entry: Entry }) {
  const { at, keyName, action, taskId, runId, before, after } = entry;
  return (
    <details className="entry">
      <summary>
        <Icon name="right" />
        <strong>{action}</strong>
        <span className="entry-name">{nameOf(after) ?? nameOf(before) ?? (taskId !== null && <TaskName id={taskId} />)}</span>
        <span className="ink-2">by {keyName}</span>
        <Time at={at} />
      </summary>
      <div className="entry-body">
        {(taskId !== null || runId !== null) && (
          <p className="entry-links">
            {taskId !== null && (
              <Link to="/tasks/$taskId" params={{ taskId }}>
                The task
              </Link>
            )}
            {runId !== null && (
              <Link to="/runs/$runId" params={{ runId }}>
                The run
              </Link>
            )}
          </p>
        )}
        <Differences before={before} after={after} />
      </div>
    </details>
  );
}

function TaskName({ id }: { id: string }) {
  return <span className="ink-2">{useTaskName(id)}</span>;
}

/** Return the name in a changed object, or what a limit is for, if the change concerns it. */
function nameOf(members: unknown): string | null {
  const { name, host, flow_key: flowKey } = (members ?? {}) as Record<string, unknown>;
  const found = [name, host, flowKey].find((value) => typeof value === "string" && value !== "");
  return (found as string | undefined) ?? null;
}
