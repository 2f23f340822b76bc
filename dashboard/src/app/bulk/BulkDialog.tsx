// Changes all tasks or runs that a filter selects, however many: counted before, watched while workers work it off, and stoppable.
import { useEffect, useState } from "react";

import { failure, client } from "../api/client";
import { follow } from "../api/live";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/icons";
import { ACTIONS, BULK, type BulkAction, counted, type Operation, PROGRESS, type Selected } from "./operations";
import { Progress } from "./Progress";

interface Props {
  action: BulkAction;
  selected: Selected;
  onClose: () => void;
}

export function BulkDialog({ action, selected, onClose }: Props) {
  const [total, setTotal] = useState<number>();
  const [operation, setOperation] = useState<Operation>();
  const [isStarting, setStarting] = useState(false);
  const [problem, setProblem] = useState<string>();
  const { verb, doing, warning, noun } = ACTIONS[action];

  async function send(dryRun: boolean): Promise<Operation | undefined> {
    const { data, error } = await client.mutation(BULK, { action, ...selected, dryRun }).toPromise();
    const result = data?.bulk;
    if (result?.__typename === "BulkOperation") {
      return result;
    }
    setProblem(result?.message ?? failure(error));
    return undefined;
  }

  useEffect(() => {
    void send(true).then((made) => setTotal(made?.total));
    // The filter and the action of an open dialog stay the same.
  }, []);
  const id = operation?.id;
  useEffect(() => {
    if (id === undefined) {
      return;
    }
    return follow(PROGRESS, {
      variables: () => ({ id }),
      onData: ({ bulkProgress }) => setOperation(bulkProgress),
      onRefusal: setProblem,
    });
  }, [id]);

  const things = counted(total, noun);
  const isOver = operation !== undefined && operation.state !== "RUNNING";
  return (
    <Dialog title={operation === undefined ? `${verb} ${things}?` : `${doing} ${things}`} onClose={onClose}>
      {problem !== undefined && (
        <p className="note note-bad" role="alert">
          <Icon name="alert" />
          <span>{problem}</span>
        </p>
      )}
      {operation !== undefined ? (
        <Progress operation={operation} />
      ) : total === undefined ? (
        problem === undefined && <p role="status">Counting …</p>
      ) : total === 0 ? (
        <p>There are no such {noun}s at the moment.</p>
      ) : (
        <p>
          {things} {total === 1 ? "matches" : "match"} at the moment. {warning}
        </p>
      )}
      <div className="dialog-actions">
        <button type="button" className="button" autoFocus onClick={onClose}>
          {operation === undefined ? "Back" : isOver ? "Close" : "Close, and let it go on"}
        </button>
        {operation === undefined && total !== 0 && (
          <button
            type="button"
            className={`button ${warning === null ? "button-main" : "button-danger"}`}
            disabled={total === undefined || isStarting}
            onClick={() => {
              setStarting(true);
              void send(false).then((made) => {
                setOperation(made);
                setStarting(false);
              });
            }}
          >
            {verb} {things}
          </button>
        )}
      </div>
    </Dialog>
  );
}
