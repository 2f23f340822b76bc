// The rows of the list of tasks. Only those that are visible are in the document, however many there are, and while the list
// scrolls only those are rendered that have come into view.
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useCallback, useEffect, useRef } from "react";

import { RowCheck } from "../../bulk/RowCheck";
import { scheduleWords, scheduleZone } from "../../time/schedule";
import { useNarrow } from "../../ui/narrow";
import { RunStrip } from "../../ui/RunStrip";
import { RunStateBadge, TaskStatusBadge } from "../../ui/states";
import { Time } from "../../ui/Time";
import type { TaskRow } from "./query";

const ROW_PX = 56;
const NARROW_ROW_PX = 108;
/** How many rows before the end the next page is read. */
const AHEAD = 100;

interface Props {
  rows: readonly TaskRow[];
  hasMore: boolean;
  onEnd: () => void;
  /** Called with the place of a row in the middle of those that are visible. */
  onShown: (index: number) => void;
  /** The ids that are selected, or null if nothing can be. */
  selected: ReadonlySet<string> | null;
  onSelect: (ids: ReadonlySet<string>) => void;
}

export function TaskRows({ rows, hasMore, onEnd, onShown, selected, onSelect }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const isNarrow = useNarrow();
  // With another function the virtualizer would go through all rows.
  const getItemKey = useCallback((index: number) => rows[index]!.id, [rows]);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (isNarrow ? NARROW_ROW_PX : ROW_PX),
    overscan: 8,
    getItemKey,
  });
  useEffect(() => virtual.measure(), [virtual, isNarrow]);
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const middle = items[Math.floor(items.length / 2)]?.index ?? 0;
  useEffect(() => {
    onShown(middle);
    if (hasMore && last >= rows.length - AHEAD) {
      onEnd();
    }
  });

  const select = useRef((_id: string) => {});
  useEffect(() => {
    select.current = (id) => {
      const ids = new Set(selected);
      if (!ids.delete(id)) {
        ids.add(id);
      }
      onSelect(ids);
    };
  });
  const toggle = useCallback((id: string) => select.current(id), []);
  return (
    <div
      ref={scroller}
      className={`task-rows${selected === null ? " task-rows-fixed" : ""}`}
      role="table"
      aria-label="Tasks"
      aria-rowcount={hasMore ? -1 : rows.length + 1}
      tabIndex={0}
    >
      <div role="rowgroup" className="task-head">
        <div role="row" className="task-row" aria-rowindex={1}>
          {selected !== null && (
            <span role="columnheader" className="task-check">
              <RowCheck
                label="Select all tasks that were read"
                checked={rows.every(({ id }) => selected.has(id))}
                onChange={(isChecked) => onSelect(new Set(isChecked ? rows.map(({ id }) => id) : []))}
              />
            </span>
          )}
          <span role="columnheader">Task</span>
          <span role="columnheader">Status</span>
          <span role="columnheader">Next run</span>
          <span role="columnheader">Last run</span>
          <span role="columnheader">Last 30 runs</span>
        </div>
      </div>
      <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {items.map(({ index, key, start }) => (
          <Row
            key={key}
            task={rows[index]!}
            index={index}
            start={start}
            isSelected={selected === null ? null : selected.has(rows[index]!.id)}
            onToggle={toggle}
          />
        ))}
      </div>
    </div>
  );
}

interface RowProps {
  task: TaskRow;
  index: number;
  start: number;
  isSelected: boolean | null;
  onToggle: (id: string) => void;
}

const Row = memo(function Row({ task, index, start, isSelected, onToggle }: RowProps) {
  const zone = scheduleZone(task.trigger);
  return (
    <div
      role="row"
      className={`task-row${isSelected === true ? " is-selected" : ""}`}
      aria-rowindex={index + 2}
      style={{ transform: `translateY(${start}px)` }}
    >
      {isSelected !== null && (
        <span role="cell" className="task-check">
          <RowCheck label={`Select ${task.name}`} checked={isSelected} onChange={() => onToggle(task.id)} />
        </span>
      )}
      <span role="cell" className="task-name">
        <Link to="/tasks/$taskId" params={{ taskId: task.id }}>
          {task.name}
        </Link>
        <span className="task-schedule">
          <span className="ink-3">{scheduleWords(task.trigger)}</span>
          {task.tags.map((tag) => (
            <Link key={tag} className="tag" to="/tasks" search={{ tags: [tag] }} aria-label={`Tasks with the tag ${tag}`}>
              {tag}
            </Link>
          ))}
        </span>
      </span>
      <span role="cell" className="task-status">
        <TaskStatusBadge status={task.status} />
      </span>
      <span role="cell" className="task-next">
        <span className="task-next-word ink-3">next </span>
        {task.nextRunAt === null ? <span className="ink-3">–</span> : <Time at={task.nextRunAt} taskZone={zone} />}
      </span>
      <span role="cell" className="task-last">
        {task.lastRun === null ? (
          <span className="ink-3">none yet</span>
        ) : (
          <Link to="/runs/$runId" params={{ runId: task.lastRun.id }} className="task-run">
            <RunStateBadge state={task.lastRun.state} plain />
            <span className="ink-3">
              <Time at={task.lastRun.scheduledFor} taskZone={zone} />
            </span>
          </Link>
        )}
      </span>
      <span role="cell" className="task-strip">
        <RunStrip runs={task.recentRuns} />
      </span>
    </div>
  );
});
