// How far an operation is, what it could not do, and the way to stop it.
import { useState } from "react";

import { client } from "../api/client";
import { tell } from "../api/refusal";
import { useMay } from "../api/viewer";
import { count } from "../time/format";
import { counted, ACTIONS, type Operation, STOP } from "./operations";

const ENDS: Record<Operation["state"], string> = { RUNNING: "", COMPLETED: " – completed", CANCELLED: " – stopped", FAILED: " – failed" };
const MOST_PROBLEMS = 5;

export function Progress({ operation }: { operation: Operation }) {
  const { id, action, state, total, done, succeeded, refused, problems } = operation;
  const [isStopping, setStopping] = useState(false);
  const mayWrite = useMay("WRITE");
  return (
    <div className="bulk-progress">
      <progress aria-label="Progress" value={done} max={Math.max(total, 1)} />
      <div className="bulk-line">
        <p role="status">
          {count(done)} of {count(total)}
          {refused > 0 && `, ${count(succeeded)} done, ${count(refused)} refused`}
          {ENDS[state]}
        </p>
        {state === "RUNNING" && mayWrite && (
          <button
            type="button"
            className="button button-small"
            disabled={isStopping}
            onClick={() => {
              setStopping(true);
              void client
                .mutation(STOP, { id })
                .toPromise()
                .then(({ data, error }) => {
                  tell(data?.cancelBulkOperation, error, `Stopped. What was done to ${counted(done, ACTIONS[action].noun)} stays done.`);
                  setStopping(false);
                });
            }}
          >
            Stop
          </button>
        )}
      </div>
      {problems.slice(0, MOST_PROBLEMS).map((problem) => (
        <p key={problem.id} className="ink-2">
          {problem.message}
        </p>
      ))}
    </div>
  );
}
