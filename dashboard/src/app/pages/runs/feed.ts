// The live feed: what happens to runs, in the order in which it was stored. It has a bounded number of events, and resumes
// after the last cursor when the connection was lost, so that it neither loses an event nor has one twice.
import { startTransition, useEffect, useState } from "react";

import { client } from "../../api/client";
import { graphql, type ResultOf } from "../../api/graphql";
import { follow, type Connection } from "../../api/live";

const RUN_EVENTS = graphql(`
  subscription RunEvents($taskId: ID, $after: String) {
    runEvents(taskId: $taskId, after: $after) {
      __typename
      ... on RunEvent {
        cursor
        type
        at
        taskId
        runId
        attempt
        statusCode
        errorMessage
        durationMs
      }
      ... on RunEventsGap {
        cursor
        message
      }
    }
  }
`);

const CURSOR = graphql(`
  query RunEventsCursor {
    runEventsCursor
  }
`);

type Message = ResultOf<typeof RUN_EVENTS>["runEvents"];
export type FeedEvent = Extract<Message, { __typename: "RunEvent" }>;
export type FeedItem = Message;

/** The most events that the feed keeps; older ones are dropped. */
export const KEPT = 2_000;
/** How many more there may be before some are dropped, which moves all others. */
const SLACK = 500;
const FLUSH_EVERY_MS = 200;
const RATE_OVER_MS = 5_000;

export interface FeedState {
  /** The events, oldest first. */
  items: readonly FeedItem[];
  /** Number of events since the feed was opened, those included that were dropped. */
  received: number;
  connection: Connection;
  /** Events in each second, over the last seconds. */
  rate: number;
  refusal: string | null;
}

const EMPTY: FeedState = { items: [], received: 0, connection: "connecting", rate: 0, refusal: null };

/** Return the cursor of the newest event, so that a connection that is lost before the first event loses none either. */
async function newestCursor(): Promise<string> {
  const { data, error } = await client.query(CURSOR, {}, { requestPolicy: "network-only" }).toPromise();
  if (data === undefined) {
    throw error ?? new Error("the service did not return a cursor");
  }
  return data.runEventsCursor;
}

/** A feed of events. It runs from the first subscriber to the last, and shows a new state a few times in a second. */
export class Feed {
  private items: FeedItem[] = [];
  private received = 0;
  private connection: Connection = "connecting";
  private refusal: string | null = null;
  private cursor: string | null = null;
  private arrivals: { at: number; received: number }[] = [];
  private state = EMPTY;
  private timer: number | undefined;
  private stop: (() => void) | null = null;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly accepts: (event: FeedEvent) => boolean = () => true,
    private readonly taskId: string | null = null,
  ) {}

  readonly get = (): FeedState => this.state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    this.stop ??= follow(RUN_EVENTS, {
      variables: async () => ({ taskId: this.taskId, after: (this.cursor ??= await newestCursor()) }),
      onData: ({ runEvents }) => this.add(runEvents),
      onConnection: (connection) => {
        this.connection = connection;
        this.schedule();
      },
      onRefusal: (message) => {
        this.refusal = message;
        this.schedule();
      },
    });
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) {
        this.stop?.();
        this.stop = null;
        window.clearTimeout(this.timer);
        this.timer = undefined;
      }
    };
  };

  private add(item: FeedItem): void {
    this.cursor = item.cursor;
    this.received += 1;
    if (item.__typename === "RunEventsGap" || this.accepts(item)) {
      this.items.push(item);
      if (this.items.length > KEPT + SLACK) {
        this.items.splice(0, this.items.length - KEPT);
      }
    }
    this.schedule();
  }

  private schedule(): void {
    this.timer ??= window.setTimeout(() => {
      this.timer = undefined;
      this.publish();
    }, FLUSH_EVERY_MS);
  }

  private publish(): void {
    const now = Date.now();
    this.arrivals = [...this.arrivals.filter(({ at }) => at > now - RATE_OVER_MS), { at: now, received: this.received }];
    const first = this.arrivals[0]!;
    const seconds = (now - first.at) / 1_000;
    this.state = {
      items: this.items.slice(-KEPT),
      received: this.received,
      connection: this.connection,
      rate: seconds > 0.5 ? (this.received - first.received) / seconds : 0,
      refusal: this.refusal,
    };
    this.listeners.forEach((listener) => listener());
    // The rate falls to zero when nothing arrives any more.
    if (this.state.rate > 0 && this.timer === undefined) {
      this.timer = window.setTimeout(() => {
        this.timer = undefined;
        this.publish();
      }, 1_000);
    }
  }
}

/** Return the state of a feed. The page is rendered with a new one bit by bit, so that it can be used meanwhile. */
export function useFeed(feed: Feed): FeedState {
  const [state, setState] = useState(feed.get);
  useEffect(() => feed.subscribe(() => startTransition(() => setState(feed.get()))), [feed]);
  return state;
}
