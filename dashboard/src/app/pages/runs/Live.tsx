// The live feed. While the reader has scrolled down or paused it, the list stays as it is.
//
// Many events arrive in a second, so a row belongs to a place in the list and takes the event of that place: to create rows
// for new events takes several times as long. For the same reason its link is a plain one, which the list follows.
import { Link, useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useMemo, useRef, useState, type MouseEvent } from "react";

import { service } from "../../address";
import { useTaskName } from "../../api/task_names";
import { useStore } from "../../stored";
import { clock, count, duration, exact } from "../../time/format";
import { zoneChoice, zoneFor } from "../../time/zone";
import { Empty, ErrorNote } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { useNarrow } from "../../ui/narrow";
import { Badge, EVENT_TYPES } from "../../ui/states";
import { Feed, useFeed, type FeedEvent, type FeedItem, type FeedState } from "./feed";

/** The distance from the top within which the list follows the feed. */
const AT_TOP_PX = 8;
const ROW_PX = 36;
const NARROW_ROW_PX = 58;

const TROUBLES: ReadonlySet<string> = new Set(["FAILED", "ATTEMPT_FAILED", "ATTEMPT_LOST", "MISSED", "UNKNOWN"]);

interface Props {
  /** Whether only events are shown that tell of trouble. */
  onlyTroubles: boolean;
}

export function Live({ onlyTroubles }: Props) {
  const feed = useMemo(() => new Feed(onlyTroubles ? ({ type }) => TROUBLES.has(type) : undefined), [onlyTroubles]);
  const state = useFeed(feed);
  const navigate = useNavigate();
  const [isPaused, setPaused] = useState(false);
  const [isAway, setAway] = useState(false);
  const held = useRef<FeedState | null>(null);
  if (isPaused || isAway) {
    held.current ??= state;
  } else {
    held.current = null;
  }
  const shown = held.current ?? state;
  const scroller = useRef<HTMLDivElement>(null);
  const isNarrow = useNarrow();
  const rows = useVirtualizer({
    count: shown.items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (isNarrow ? NARROW_ROW_PX : ROW_PX),
    overscan: 10,
  });
  useEffect(() => rows.measure(), [rows, isNarrow]);
  const unseen = state.received - shown.received;

  return (
    <section className="feed card" aria-label="Live events">
      <div className="feed-bar">
        <Connection {...state} />
        <button type="button" className="button button-small" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          <Icon name={isPaused ? "play" : "pause"} />
          {isPaused ? "Resume" : "Pause"}
        </button>
      </div>
      {state.refusal !== null && <ErrorNote error={new Error(state.refusal)} />}
      {unseen > 0 && (
        <button
          type="button"
          className="feed-unseen"
          onClick={() => {
            setPaused(false);
            setAway(false);
            scroller.current?.scrollTo({ top: 0 });
          }}
        >
          {count(unseen)} new {unseen === 1 ? "event" : "events"}
        </button>
      )}
      <div
        ref={scroller}
        className="feed-rows"
        role={shown.items.length === 0 ? "group" : "table"}
        aria-label="Events, newest first"
        aria-rowcount={shown.items.length || undefined}
        tabIndex={0}
        onScroll={({ currentTarget }) => setAway(currentTarget.scrollTop > AT_TOP_PX)}
      >
        {shown.items.length === 0 ? (
          <Empty icon="live" title="Nothing has happened since this page was opened.">
            <p>Events appear here as runs start and end.</p>
          </Empty>
        ) : (
          <div
            role="rowgroup"
            style={{ height: rows.getTotalSize(), position: "relative" }}
            onClick={(event) => {
              const runId = runFollowed(event);
              if (runId !== undefined) {
                event.preventDefault();
                void navigate({ to: "/runs/$runId", params: { runId } });
              }
            }}
          >
            {rows.getVirtualItems().map(({ index, key, start }) => (
              <Row key={key} item={shown.items[shown.items.length - 1 - index]!} start={start} index={index} />
            ))}
          </div>
        )}
      </div>
    </section>
  );
}

/** Return the run whose link was clicked, unless the browser is to open the link in another tab or window. */
function runFollowed({ target, button, altKey, ctrlKey, metaKey, shiftKey }: MouseEvent): string | undefined {
  const isPlain = button === 0 && !altKey && !ctrlKey && !metaKey && !shiftKey;
  return isPlain && target instanceof Element ? target.closest("a")?.dataset.run : undefined;
}

/** Tells whether the feed is live, how fast it is, and whether it is behind. */
function Connection({ connection, rate, items }: FeedState) {
  const last = items.at(-1);
  const lag = last?.__typename === "RunEvent" && rate > 0 ? Date.now() - Date.parse(last.at) : 0;
  const isOpen = connection === "open";
  return (
    <p className="feed-connection" role="status">
      <Icon name={isOpen ? "live" : "retry"} className={isOpen ? "ink-ok" : "ink-warn"} />
      {isOpen ? "Live" : connection === "connecting" ? "Connecting …" : "The connection was lost. Trying again …"}
      {isOpen && rate >= 1.5 && <span className="ink-3"> · {count(Math.round(rate))} events/s</span>}
      {isOpen && lag > 3_000 && <span className="ink-warn"> · {duration(lag)} behind</span>}
    </p>
  );
}

const Row = memo(function Row({ item, start, index }: { item: FeedItem; start: number; index: number }) {
  const style = { transform: `translateY(${start}px)` };
  if (item.__typename === "RunEventsGap") {
    return (
      <div className="feed-row feed-gap" role="row" aria-rowindex={index + 1} data-cursor={item.cursor} style={style}>
        <span role="cell">
          <Icon name="alert" /> Events are missing here. See{" "}
          <Link to="/runs" search={{ view: "history" }} title={item.message}>
            the history
          </Link>{" "}
          for the runs.
        </span>
      </div>
    );
  }
  return (
    <div className="feed-row" role="row" aria-rowindex={index + 1} data-cursor={item.cursor} style={style}>
      <Cells event={item} />
    </div>
  );
});

function Cells({ event }: { event: FeedEvent }) {
  const zone = zoneFor(useStore(zoneChoice), null);
  const at = Date.parse(event.at);
  const name = useTaskName(event.taskId);
  const text = event.errorMessage ?? (event.statusCode === null ? "" : `HTTP ${event.statusCode}`);
  return (
    <>
      <time role="cell" className="feed-at ink-3" dateTime={event.at} title={exact(at, zone)}>
        {clock(at, zone)}
      </time>
      <span role="cell" className="feed-type">
        <Badge {...EVENT_TYPES[event.type]} />
      </span>
      <span role="cell" className="feed-task">
        <a href={`${service.pathname}runs/${event.runId}`} data-run={event.runId}>
          {name === undefined ? "…" : name === "" ? "Deleted task" : name}
        </a>
      </span>
      <span role="cell" className="feed-attempt ink-3">
        {event.attempt > 1 ? `attempt ${event.attempt}` : ""}
      </span>
      <span role="cell" className="feed-text ink-2" title={text}>
        {text}
      </span>
      <span role="cell" className="feed-duration ink-3">
        {event.durationMs === null ? "" : duration(event.durationMs)}
      </span>
    </>
  );
}
