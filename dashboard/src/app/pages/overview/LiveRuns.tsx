// What happens to runs at the moment: the last of the live feed.
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { useTaskName } from "../../api/task_names";
import { duration } from "../../time/format";
import { Empty } from "../../ui/feedback";
import { Badge, EVENT_TYPES } from "../../ui/states";
import { Time } from "../../ui/Time";
import { Feed, useFeed, type FeedEvent } from "../runs/feed";

const SHOWN = 20;

export function LiveRuns() {
  const feed = useMemo(() => new Feed(), []);
  const { items, connection } = useFeed(feed);
  const events = items.filter((item) => item.__typename === "RunEvent").slice(-SHOWN).reverse();
  if (events.length === 0) {
    return <Empty icon="live" title={connection === "open" ? "Waiting for the next run." : "Connecting …"} />;
  }
  return (
    <ol className="overview-list">
      {events.map((event) => (
        <Row key={event.cursor} event={event} />
      ))}
    </ol>
  );
}

function Row({ event }: { event: FeedEvent }) {
  const name = useTaskName(event.taskId);
  return (
    <li>
      <Link to="/runs/$runId" params={{ runId: event.runId }}>
        {name === undefined ? "…" : name === "" ? "Deleted task" : name}
      </Link>
      <span className="overview-note">
        <Badge {...EVENT_TYPES[event.type]} plain />
        {event.durationMs !== null && ` ${duration(event.durationMs)}`}
      </span>
      <span className="overview-when">
        <Time at={event.at} />
      </span>
    </li>
  );
}
