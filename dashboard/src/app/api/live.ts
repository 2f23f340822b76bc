// Subscriptions over one WebSocket. They survive a lost connection: each is sent again, with variables of that moment.
import { stringifyDocument } from "@urql/core";
import type { TadaDocumentNode } from "gql.tada";
import { createClient } from "graphql-ws";

import { authorization, keptKey } from "../../key/storage";
import { endpoint } from "../address";
import { askForKey } from "./key";

export type Connection = "connecting" | "open" | "waiting";

/** The code with which the API closes a WebSocket whose key it does not accept. */
const FORBIDDEN = 4403;
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;

const socket = new URL(endpoint);
socket.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";

let pong: number | undefined;
let isConnected = false;
let sentKey: string | null = null;
const client = createClient({
  url: socket.href,
  connectionParams: () => {
    sentKey = keptKey();
    return authorization(sentKey);
  },
  // A subscription is sent again here, because its variables may have changed.
  retryAttempts: 0,
  keepAlive: PING_EVERY_MS,
  lazyCloseTimeout: 2_000,
  on: {
    ping: (received) => {
      if (!received) {
        pong = window.setTimeout(() => client.terminate(), PONG_WITHIN_MS);
      }
    },
    pong: (received) => {
      if (received) {
        window.clearTimeout(pong);
      }
    },
    connected: () => {
      isConnected = true;
    },
    closed: () => {
      isConnected = false;
      window.clearTimeout(pong);
    },
  },
});

interface Follower<Result, Variables> {
  /** Return the variables to subscribe with, at the first time and after each lost connection. If it fails, it is called again. */
  variables: () => Variables | Promise<Variables>;
  onData: (data: Result) => void;
  /** Learn of the state of the connection. It is open when the subscription was sent. */
  onConnection?: (connection: Connection) => void;
  /** Learn of an error that trying again does not mend. */
  onRefusal?: (message: string) => void;
}

/** Follow a subscription until the returned function is called. */
export function follow<Result, Variables extends Record<string, unknown>>(
  document: TadaDocumentNode<Result, Variables>,
  { variables, onData, onConnection, onRefusal }: Follower<Result, Variables>,
): () => void {
  const query = stringifyDocument(document);
  let isOver = false;
  let end: () => void = () => undefined;

  /** Subscribe once. Return when the subscription ends, with the reason for which the connection was closed. */
  function attempt(sent: Variables): Promise<CloseEvent | null> {
    return new Promise((resolve) => {
      end = client.subscribe<Result>(
        { query, variables: sent },
        {
          next({ data, errors }) {
            if (errors !== undefined && errors.length > 0) {
              isOver = true;
              onRefusal?.(errors.map(({ message }) => message).join(" "));
            } else if (data !== null && data !== undefined && !isOver) {
              onData(data);
            }
          },
          error(error) {
            if (Array.isArray(error)) {
              isOver = true;
              onRefusal?.(error.map(({ message }: { message: string }) => message).join(" "));
            }
            resolve(error instanceof CloseEvent ? error : null);
          },
          complete: () => resolve(null),
        },
      );
    });
  }

  void (async () => {
    let delay = FIRST_DELAY_MS;
    while (!isOver) {
      onConnection?.("connecting");
      const opened = client.on("connected", () => {
        delay = FIRST_DELAY_MS;
        onConnection?.("open");
      });
      const sent = await Promise.resolve(variables()).catch(() => null);
      if (isConnected && sent !== null) {
        onConnection?.("open");
      }
      const closed = sent === null || isOver ? null : await attempt(sent);
      opened();
      if (isOver) {
        return;
      }
      onConnection?.("waiting");
      if (closed?.code === FORBIDDEN) {
        // A request may have got a new key meanwhile.
        if (keptKey() === sentKey) {
          await askForKey(closed.reason);
        }
      } else {
        await pause(delay * (0.75 + Math.random() / 2));
        delay = Math.min(delay * 2, LONGEST_DELAY_MS);
      }
    }
  })();
  return () => {
    isOver = true;
    end();
  };
}

/** Wait, but not while the browser learns that it is online again. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      window.clearTimeout(timer);
      window.removeEventListener("online", done);
      resolve();
    };
    const timer = window.setTimeout(done, milliseconds);
    window.addEventListener("online", done);
  });
}
