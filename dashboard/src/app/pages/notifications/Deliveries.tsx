// Deliveries: what was sent where, and whether it was accepted.
import { useState } from "react";

import { Card } from "../../ui/Card";
import { Entries, Entry } from "../../ui/Entries";
import { Empty } from "../../ui/feedback";
import { Segments } from "../../ui/Segments";
import { Badge } from "../../ui/states";
import { Time } from "../../ui/Time";
import { eventWord } from "./events";
import { DELIVERIES, type Delivery } from "./operations";

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
      <Entries
        key={state}
        query={DELIVERIES}
        filter={state === "all" ? {} : { states: [state] }}
        page={({ notificationDeliveries }) => notificationDeliveries}
        empty={<Empty icon="bell" title={state === "all" ? "Nothing was sent yet. Deliveries are kept for 30 days." : "No delivery matches."} />}
      >
        {(delivery, { channels }) => (
          <DeliveryRow delivery={delivery} channel={channels.find(({ id }) => id === delivery.channelId)?.name ?? "a deleted channel"} />
        )}
      </Entries>
    </Card>
  );
}

function DeliveryRow({ delivery, channel }: { delivery: Delivery; channel: string }) {
  const { state, subject, text, event, reminder, count, attempts, statusCode, errorMessage, nextAttemptAt, createdAt } = delivery;
  return (
    <Entry
      line={
        <>
          <Badge {...BADGES[state]} />
          <span className="entry-name">{subject}</span>
          <span className="ink-2">to {channel}</span>
          <Time at={createdAt} />
        </>
      }
    >
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
    </Entry>
  );
}
