// What happens to runs at the moment: the end of the live feed, and before it the runs that were stored already.
import { Link } from "@tanstack/react-router";
import { useMemo, type ReactNode } from "react";
import { useQuery } from "urql";

import { graphql } from "../../api/graphql";
import { useTaskName } from "../../api/task_names";
import { duration } from "../../time/format";
import { Empty } from "../../ui/feedback";
import { Badge, EVENT_TYPES, RUN_STATES } from "../../ui/states";
import { Time } from "../../ui/Time";
import { Feed, useFeed, type FeedEvent } from "../runs/feed";

const SHOWN = 20;

const NEWEST = graphql(`
  query NewestRuns {
    runs(first: 20) {
      nodes {
        id
        state
        scheduledFor
        startedAt
        finishedAt
        durationMs
        task {
          id
          name
        }
      }
    }
  }
`);

export function LiveRuns() {
  const feed = useMemo(() => new Feed(), []);
  const { items, connection } = useFeed(feed);
  const [{ data }] = useQuery({ query: NEWEST });
  const events = items.filter((item) => item.__typename === "RunEvent").slice(-SHOWN).reverse();
  const followed = new Set(events.map(({ runId }) => runId));
  const stored = (data?.runs.nodes ?? []).filter(({ id }) => !followed.has(id)).slice(0, SHOWN - events.length);
  if (events.length + stored.length === 0) {
    return <Empty icon="live" title={connection === "open" ? "Waiting for the first run." : "Connecting …"} />;
  }
  return (
    <ol className="overview-list">
      {events.map((event) => (
        <EventRow key={event.cursor} event={event} />
      ))}
      {stored.map(({ id, state, scheduledFor, startedAt, finishedAt, durationMs, task }) => (
        <Row key={id} runId={id} name={task.name} badge={<Badge {...RUN_STATES[state]} plain />} durationMs={durationMs} at={finishedAt ?? startedAt ?? scheduledFor} />
      ))}
    </ol>
  );
}

function EventRow({ event }: { event: FeedEvent }) {
  const name = useTaskName(event.taskId);
  return (
    <Row
      runId={event.runId}
      name={name === undefined ? "…" : name === "" ? "Deleted task" : name}
      badge={<Badge {...EVENT_TYPES[event.type]} plain />}
      durationMs={event.durationMs}
      at={event.at}
    />
  );
}

interface RowProps {
  runId: string;
  name: string;
  badge: ReactNode;
  durationMs: number | null;
  at: string;
}

function Row({ runId, name, badge, durationMs, at }: RowProps) {
  return (
    <li>
      <Link to="/runs/$runId" params={{ runId }}>
        {name}
      </Link>
      <span className="overview-note">
        {badge}
        {durationMs !== null && ` ${duration(durationMs)}`}
      </span>
      <span className="overview-when">
        <Time at={at} />
      </span>
    </li>
  );
}
