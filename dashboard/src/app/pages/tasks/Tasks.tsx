// All tasks: search, filters and order, which stand in the address, and what can be done to those that are selected.
import "../../bulk/bulk.css";
import "./tasks.css";

import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";

import { useMay } from "../../api/viewer";
import { BulkMenu } from "../../bulk/BulkMenu";
import { Running } from "../../bulk/Running";
import { Selection } from "../../bulk/Selection";
import { count } from "../../time/format";
import { ErrorNote, Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { Page } from "../../ui/Page";
import { bulkChoices, selectionActions } from "./actions";
import { DEFAULT_ORDER, filterOf, type TasksSearch } from "./filter";
import { Filters } from "./Filters";
import { NoTasks } from "./NoTasks";
import { PAGE_SIZE } from "./query";
import { TaskRows } from "./TaskRows";
import { useTaskPages } from "./useTaskPages";

const route = getRouteApi("/tasks");

export function Tasks() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [shownPage, setShownPage] = useState(0);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const order = search.order ?? DEFAULT_ORDER;
  const filter = filterOf(search);
  const { rows, total, isTotalCapped, error, hasMore, more, refresh, assume } = useTaskPages(filter, order, shownPage);
  const mayWrite = useMay("WRITE");
  const key = JSON.stringify([filter, order]);
  useEffect(() => setSelected(new Set()), [key]);
  const change = (changes: TasksSearch) => void navigate({ search: { ...search, ...changes }, replace: true });
  const isFiltered = Object.keys(filter).length > 0;

  return (
    <Page
      title="Tasks"
      className="page-fill"
      beside={rows !== undefined && <Total total={total} isCapped={isTotalCapped} />}
      actions={
        mayWrite && (
          <Link to="/tasks/new" search={{}} className="button button-main">
            <Icon name="plus" />
            New task
          </Link>
        )
      }
    >
      {error !== undefined && <ErrorNote error={error} retry={refresh} />}
      <Running noun="task" />
      <section className="card tasks" aria-label="List of tasks">
        <Filters search={search} order={order} onChange={change}>
          {mayWrite && total > 0 && (
            <BulkMenu all={isFiltered ? "that match" : "tasks"} choices={bulkChoices(filter)} onChange={refresh} />
          )}
        </Filters>
        {selected.size > 0 && (
          <Selection noun="task" ids={selected} actions={selectionActions(assume)} onDone={refresh} onClear={() => setSelected(new Set())} />
        )}
        {rows === undefined ? (
          error === undefined && <Skeleton lines={8} />
        ) : rows.length === 0 ? (
          <NoTasks isFiltered={isFiltered} mayCreate={mayWrite} onClear={() => void navigate({ search: {} })} />
        ) : (
          <TaskRows
            key={key}
            rows={rows}
            hasMore={hasMore}
            onEnd={more}
            onShown={(index) => setShownPage(Math.floor(index / PAGE_SIZE))}
            selected={mayWrite ? selected : null}
            onSelect={setSelected}
          />
        )}
      </section>
    </Page>
  );
}

function Total({ total, isCapped }: { total: number; isCapped: boolean }) {
  return (
    <span className="ink-3">
      {count(total)}
      {isCapped && "+"}
    </span>
  );
}
