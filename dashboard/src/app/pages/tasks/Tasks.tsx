// All tasks: search, filters and order, which stand in the address, and what can be done to those that are selected.
import "./tasks.css";

import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect, useState, type ReactNode } from "react";

import { useMay } from "../../api/viewer";
import { count } from "../../time/format";
import { ErrorNote, Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { Page } from "../../ui/Page";
import { RUN_STATES, TASK_STATUSES, type RunState, type TaskStatus } from "../../ui/states";
import { Bulk } from "./Bulk";
import { DEFAULT_ORDER, filterOf, ORDERS, type Order, type TasksSearch } from "./filter";
import { NoTasks } from "./NoTasks";
import { PAGE_SIZE } from "./query";
import { Selection } from "./Selection";
import { TaskRows } from "./TaskRows";
import { useTaskPages } from "./useTaskPages";

const route = getRouteApi("/tasks");
const SEARCH_AFTER_MS = 250;

export function Tasks() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [shownPage, setShownPage] = useState(0);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const order = search.order ?? DEFAULT_ORDER;
  const filter = filterOf(search);
  const { rows, total, isTotalCapped, error, hasMore, more, refresh } = useTaskPages(filter, order, shownPage);
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
      <section className="card tasks" aria-label="List of tasks">
        <Filters key={search.q === undefined ? "empty" : "full"} search={search} order={order} onChange={change}>
          {mayWrite && total > 0 && <Bulk filter={filter} isFiltered={isFiltered} onChange={refresh} />}
        </Filters>
        {selected.size > 0 && <Selection ids={selected} onDone={refresh} onClear={() => setSelected(new Set())} />}
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

interface FiltersProps {
  search: TasksSearch;
  order: Order;
  onChange: (changes: TasksSearch) => void;
  children: ReactNode;
}

function Filters({ search, order, onChange, children }: FiltersProps) {
  const [text, setText] = useState(search.q ?? "");
  useEffect(() => {
    const timer = window.setTimeout(() => {
      if (text.trim() !== (search.q ?? "")) {
        onChange({ q: text.trim() || undefined });
      }
    }, SEARCH_AFTER_MS);
    return () => window.clearTimeout(timer);
  });
  return (
    <search className="tasks-filters">
      <label className="tasks-search">
        <Icon name="search" />
        <span className="visually-hidden">Search by name or URL</span>
        <input type="search" placeholder="Name or URL" value={text} onChange={({ target }) => setText(target.value)} />
      </label>
      <Select
        label="Status"
        none="Any status"
        value={search.status}
        options={Object.entries(TASK_STATUSES).map(([value, { word }]) => [value as TaskStatus, word])}
        onChange={(status) => onChange({ status })}
      />
      <Select
        label="Last run"
        none="Any last run"
        value={search.last}
        options={Object.entries(RUN_STATES).map(([value, { word }]) => [value as RunState, `Last ${word.toLowerCase()}`])}
        onChange={(last) => onChange({ last })}
      />
      {search.tags?.map((tag) => (
        <button
          key={tag}
          type="button"
          className="button button-small"
          aria-label={`Remove the tag ${tag} from the filter`}
          onClick={() => onChange({ tags: search.tags?.filter((each) => each !== tag) })}
        >
          {tag}
          <Icon name="cross" />
        </button>
      ))}
      <div className="tasks-order">
        <span className="ink-3" aria-hidden>
          Order
        </span>
        <select aria-label="Order" value={order} onChange={({ target }) => onChange({ order: target.value as Order })}>
          {Object.entries(ORDERS).map(([value, word]) => (
            <option key={value} value={value}>
              {word}
            </option>
          ))}
        </select>
      </div>
      {children}
    </search>
  );
}

interface SelectProps<Value extends string> {
  label: string;
  none: string;
  value: Value | undefined;
  options: readonly (readonly [Value, string])[];
  onChange: (value: Value | undefined) => void;
}

function Select<Value extends string>({ label, none, value, options, onChange }: SelectProps<Value>) {
  return (
    <select
      aria-label={label}
      value={value ?? ""}
      onChange={({ target }) => onChange(target.value === "" ? undefined : (target.value as Value))}
    >
      <option value="">{none}</option>
      {options.map(([option, word]) => (
        <option key={option} value={option}>
          {word}
        </option>
      ))}
    </select>
  );
}
