// Deliveries: what was sent where, and whether it was accepted.
import { useState } from "react";
import { useQuery } from "urql";

import { Card } from "../../ui/Card";
import { Empty, ErrorNote, Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { Segments } from "../../ui/Segments";
import { Badge } from "../../ui/states";
import { Time } from "../../ui/Time";
import { eventWord } from "./events";
import { DELIVERIES, type Delivery, type DeliveryFilter } from "./operations";

type State = Delivery["state"];

const STATES = [["all", "All"], ["PENDING", "Pending"], ["DELIVERED", "Delivered"], ["FAILED", "Failed"]] as const;
const BADGES = {
  PENDING: { tone: "info", icon: "clock", word: "Pending" },
  DELIVERED: { tone: "ok", icon: "check", word: "Delivered" },
  FAILED: { tone: "bad", icon: "cross", word: "Failed" },
} as const;

export function Deliveries() {
  const [state, setState] = useState<State | "all">("all");
  return (
    <Card title="Deliveries" aside={<Segments label="State" value={state} options={STATES} onChange={setState} />}>
      <Rows key={state} filter={state === "all" ? {} : { states: [state] }} after={null} isFirst />
    </Card>
  );
}

/** A page of deliveries, with the pages behind it once they are asked for. */
function Rows({ filter, after, isFirst = false }: { filter: DeliveryFilter; after: string | null; isFirst?: boolean }) {
  const [{ data, error }, refresh] = useQuery({ query: DELIVERIES, variables: { filter, after } });
  const [hasMore, setMore] = useState(false);
  if (!data) {
    return error === undefined ? <Skeleton lines={5} /> : <ErrorNote error={error} retry={() => refresh({ requestPolicy: "network-only" })} />;
  }
  const { nodes, pageInfo } = data.notificationDeliveries;
  if (nodes.length === 0) {
    return isFirst ? <Empty icon="bell" title="Nothing was sent yet. Deliveries are kept for 30 days." /> : null;
  }
  return (
    <>
      <ul className="entries">
        {nodes.map((delivery) => (
          <li key={delivery.id}>
            <DeliveryRow delivery={delivery} channel={data.channels.find(({ id }) => id === delivery.channelId)?.name ?? "a deleted channel"} />
          </li>
        ))}
      </ul>
      {pageInfo.hasNextPage && pageInfo.endCursor !== null &&
        (hasMore ? (
          <Rows filter={filter} after={pageInfo.endCursor} />
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

function DeliveryRow({ delivery, channel }: { delivery: Delivery; channel: string }) {
  const { state, subject, text, event, reminder, count, attempts, statusCode, errorMessage, nextAttemptAt, createdAt } = delivery;
  return (
    <details className="entry">
      <summary>
        <Icon name="right" />
        <Badge {...BADGES[state]} />
        <span className="entry-name">{subject}</span>
        <span className="ink-2">to {channel}</span>
        <Time at={createdAt} />
      </summary>
      <div className="entry-body">
        <p className="ink-2">
          {eventWord(event)}
          {reminder && ", repeated"}
          {count > 1 && `, ${count} tasks`} · {attempts === 1 ? "one attempt" : `${attempts} attempts`}
          {statusCode !== null && ` · HTTP ${statusCode}`}
          {nextAttemptAt !== null && (
            <>
              {" "}
              · next attempt <Time at={nextAttemptAt} />
            </>
          )}
        </p>
        {errorMessage !== null && <p className="ink-bad">{errorMessage}</p>}
        <pre className="message">{text}</pre>
      </div>
    </details>
  );
}
