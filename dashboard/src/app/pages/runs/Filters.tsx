// The filter of the runs that are stored.
import { useId, useState, type ReactNode } from "react";

import { toInstant, toLocal } from "../../forms/wall-clock";
import { MINE } from "../../time/zone";
import { FilterInput } from "../../ui/FilterInput";
import { FilterSelect } from "../../ui/FilterSelect";
import { FilterTags } from "../../ui/FilterTags";
import { Icon } from "../../ui/icons";
import { RUN_STATES, type RunState } from "../../ui/states";
import { CAUSES, type Cause, isStatus, type RunsSearch } from "./filter";

const STATES = Object.entries(RUN_STATES).map(([value, { word }]) => [value as RunState, word] as const);
const CAUSE_OPTIONS = Object.entries(CAUSES).map(([value, word]) => [value as Cause, word] as const);

interface Props {
  search: RunsSearch;
  onChange: (changes: RunsSearch) => void;
  /** What stands at the end of the first line. */
  children: ReactNode;
}

export function Filters({ search, onChange, children }: Props) {
  const { state, cause, error, status, host, tags, from, to } = search;
  const used = [cause, status, host, tags, from, to].filter((value) => value !== undefined).length;
  const [isOpen, setOpen] = useState(used > 0);
  const more = useId();
  return (
    <search className="runs-filters">
      <div className="runs-search">
        <Icon name="search" />
        <FilterInput type="search" label="Search in error messages" placeholder="Error message" value={error ?? ""} onChange={(text) => onChange({ error: text || undefined })} />
      </div>
      <FilterSelect label="State" none="All states" value={state} options={STATES} onChange={(chosen) => onChange({ state: chosen })} />
      <button type="button" className="button" aria-expanded={isOpen} aria-controls={more} onClick={() => setOpen(!isOpen)}>
        <Icon name="filter" />
        {used > 0 ? `${used} more ${used === 1 ? "filter" : "filters"}` : "More filters"}
      </button>
      {children}
      <div id={more} className="runs-more-filters" hidden={!isOpen}>
        <FilterSelect label="Cause" none="Any cause" value={cause} options={CAUSE_OPTIONS} onChange={(chosen) => onChange({ cause: chosen })} />
        <FilterInput
          label="HTTP status of the last response"
          placeholder="HTTP status"
          inputMode="numeric"
          value={status === undefined ? "" : String(status)}
          onChange={(text) => onChange({ status: isStatus(Number(text)) ? Number(text) : undefined })}
        />
        <FilterInput label="Host that the task calls" placeholder="Host" value={host ?? ""} onChange={(text) => onChange({ host: text || undefined })} />
        <FilterTags label="Tags of the task" value={tags} onChange={(chosen) => onChange({ tags: chosen })} />
        <When label="Due from" value={from} onChange={(instant) => onChange({ from: instant })} />
        <When label="Due before" value={to} onChange={(instant) => onChange({ to: instant })} />
      </div>
    </search>
  );
}

/** A local time in the reader's zone. */
function When({ label, value, onChange }: { label: string; value: string | undefined; onChange: (instant: string | undefined) => void }) {
  return (
    <label className="runs-when">
      <span className="ink-3">{label}</span>
      <input
        type="datetime-local"
        max="9999-12-31T23:59"
        value={value === undefined ? "" : toLocal(value, MINE)}
        onChange={({ target }) => onChange(toInstant(target.value, MINE)?.instant)}
      />
    </label>
  );
}
