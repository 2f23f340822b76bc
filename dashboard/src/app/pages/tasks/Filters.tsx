// The filter and the order of the list of tasks.
import type { ReactNode } from "react";

import { FilterInput } from "../../ui/FilterInput";
import { FilterSelect } from "../../ui/FilterSelect";
import { FilterTags } from "../../ui/FilterTags";
import { Icon } from "../../ui/icons";
import { RUN_STATES, TASK_STATUSES, type RunState, type TaskStatus } from "../../ui/states";
import { ORDERS, type Order, type TasksSearch } from "./filter";

const STATUSES = Object.entries(TASK_STATUSES).map(([value, { word }]) => [value as TaskStatus, word] as const);
const LAST_STATES = Object.entries(RUN_STATES).map(([value, { word }]) => [value as RunState, `Last ${word.toLowerCase()}`] as const);

interface Props {
  search: TasksSearch;
  order: Order;
  onChange: (changes: TasksSearch) => void;
  /** What stands at the end. */
  children: ReactNode;
}

export function Filters({ search, order, onChange, children }: Props) {
  return (
    <search className="tasks-filters">
      <div className="tasks-search">
        <Icon name="search" />
        <FilterInput type="search" label="Search by name or URL" placeholder="Name or URL" value={search.q ?? ""} onChange={(q) => onChange({ q: q || undefined })} />
      </div>
      <FilterTags label="Tags" value={search.tags} onChange={(tags) => onChange({ tags })} />
      <FilterSelect label="Status" none="Any status" value={search.status} options={STATUSES} onChange={(status) => onChange({ status })} />
      <FilterSelect label="Last run" none="Any last run" value={search.last} options={LAST_STATES} onChange={(last) => onChange({ last })} />
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
