// The operations that go on at the moment, also those whose dialog was closed.
import { usePolled } from "../api/polling";
import { ACTIONS, counted, NEWEST } from "./operations";
import { Progress } from "./Progress";

const REFRESH_EVERY_MS = 3_000;

/** `noun` is what the page shows. */
export function Running({ noun }: { noun: "task" | "run" }) {
  const { data } = usePolled(NEWEST, {}, { everyMs: REFRESH_EVERY_MS });
  const running = (data?.bulkOperations ?? []).filter(({ state, action }) => state === "RUNNING" && ACTIONS[action].noun === noun);
  return running.map((operation) => (
    <section key={operation.id} className="card bulk-running" aria-label="Operation under way">
      <strong>
        {ACTIONS[operation.action].doing} {counted(operation.total, noun)}
      </strong>
      <Progress operation={operation} />
    </section>
  ));
}
