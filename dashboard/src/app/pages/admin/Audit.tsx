// The audit log: who changed what, newest first.
import "./admin.css";

import { getRouteApi, Link } from "@tanstack/react-router";

import { graphql, type ResultOf } from "../../api/graphql";
import { useTaskName } from "../../api/task_names";
import { Entries, Entry } from "../../ui/Entries";
import { Empty } from "../../ui/feedback";
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

type LogEntry = ResultOf<typeof AUDIT>["auditLog"]["nodes"][number];

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
        <Entries key={JSON.stringify(search)} query={AUDIT} filter={search} page={({ auditLog }) => auditLog} empty={<Empty icon="book" title="No entry matches." />}>
          {(entry) => <EntryRow entry={entry} />}
        </Entries>
      </section>
    </AdminPage>
  );
}

function EntryRow({ entry }: { entry: LogEntry }) {
  const { at, keyName, action, taskId, runId, before, after } = entry;
  return (
    <Entry
      line={
        <>
          <strong>{action}</strong>
          <span className="entry-name">{nameOf(after) ?? nameOf(before) ?? (taskId !== null && <TaskName id={taskId} />)}</span>
          <span className="ink-2">by {keyName}</span>
          <Time at={at} />
        </>
      }
    >
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
    </Entry>
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
