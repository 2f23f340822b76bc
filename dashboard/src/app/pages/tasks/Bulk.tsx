// Changes all tasks that the filter selects, however many: counted before, watched while workers work it off, and stoppable.
import { useEffect, useState } from "react";

import { client, words } from "../../api/client";
import { graphql, type ResultOf } from "../../api/graphql";
import { follow } from "../../api/live";
import { count } from "../../time/format";
import { Dialog } from "../../ui/Dialog";
import { Icon, type IconName } from "../../ui/icons";
import { Menu, MenuItem } from "../../ui/Menu";
import type { TaskFilter } from "./filter";

const OPERATION = graphql(`
  fragment Operation on BulkOperation {
    id
    state
    total
    done
    succeeded
    refused
    problems {
      id
      message
    }
  }
`);

const BULK = graphql(
  `
    mutation Bulk($action: BulkAction!, $tasks: TaskFilter!, $dryRun: Boolean!) {
      bulk(action: $action, tasks: $tasks, dryRun: $dryRun) {
        __typename
        ...Operation
        ... on InvalidInput {
          message
        }
      }
    }
  `,
  [OPERATION],
);

const PROGRESS = graphql(
  `
    subscription BulkProgress($id: ID!) {
      bulkProgress(id: $id) {
        ...Operation
      }
    }
  `,
  [OPERATION],
);

const STOP = graphql(`
  mutation CancelBulkOperation($id: ID!) {
    cancelBulkOperation(id: $id) {
      __typename
    }
  }
`);

type Action = "RUN" | "PAUSE" | "RESUME" | "CANCEL" | "DELETE";
type Operation = ResultOf<typeof OPERATION>;

const ACTIONS: Record<Action, { verb: string; doing: string; icon: IconName; warning: string | null }> = {
  RUN: { verb: "Run", doing: "Running", icon: "play", warning: null },
  PAUSE: { verb: "Pause", doing: "Pausing", icon: "pause", warning: null },
  RESUME: { verb: "Resume", doing: "Resuming", icon: "retry", warning: null },
  CANCEL: { verb: "Cancel", doing: "Cancelling", icon: "ban", warning: "Cancelled tasks never run again by their schedules." },
  DELETE: { verb: "Delete", doing: "Deleting", icon: "trash", warning: "The tasks and their runs are gone then. This cannot be undone." },
};

interface Props {
  filter: TaskFilter;
  isFiltered: boolean;
  onChange: () => void;
}

export function Bulk({ filter, isFiltered, onChange }: Props) {
  const [action, setAction] = useState<Action | null>(null);
  return (
    <>
      <Menu
        trigger={
          <button type="button" className="button button-icon" aria-label={isFiltered ? "Change all that match" : "Change all tasks"}>
            <Icon name="dots" />
          </button>
        }
      >
        {(Object.keys(ACTIONS) as Action[]).map((each) => (
          <MenuItem key={each} icon={ACTIONS[each].icon} danger={each === "DELETE"} onSelect={() => setAction(each)}>
            {ACTIONS[each].verb} all {isFiltered ? "that match" : "tasks"} …
          </MenuItem>
        ))}
      </Menu>
      {action !== null && (
        <BulkDialog
          action={action}
          filter={filter}
          onClose={() => {
            setAction(null);
            onChange();
          }}
        />
      )}
    </>
  );
}

function BulkDialog({ action, filter, onClose }: { action: Action; filter: TaskFilter; onClose: () => void }) {
  const [counted, setCounted] = useState<number>();
  const [operation, setOperation] = useState<Operation>();
  const [problem, setProblem] = useState<string>();
  const { verb, doing, warning } = ACTIONS[action];

  async function send(dryRun: boolean): Promise<Operation | undefined> {
    const { data, error } = await client.mutation(BULK, { action, tasks: filter, dryRun }).toPromise();
    const result = data?.bulk;
    if (result?.__typename === "BulkOperation") {
      return result;
    }
    setProblem(result?.message ?? (error === undefined ? "The service did not answer." : words(error)));
    return undefined;
  }

  useEffect(() => {
    void send(true).then((made) => setCounted(made?.total));
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

  const isOver = operation !== undefined && operation.state !== "RUNNING";
  const tasks = counted === undefined ? "tasks" : `${count(counted)} ${counted === 1 ? "task" : "tasks"}`;
  return (
    <Dialog title={operation === undefined ? `${verb} ${tasks}?` : `${doing} ${tasks}`} onClose={onClose}>
      {problem !== undefined && (
        <p className="note note-bad" role="alert">
          <Icon name="alert" />
          <span>{problem}</span>
        </p>
      )}
      {operation === undefined ? (
        <p>
          {counted === undefined ? "Counting …" : counted === 0 ? "No tasks match." : `This changes ${tasks}.`} {warning}
        </p>
      ) : (
        <div className="bulk-progress">
          <progress aria-label="Progress" value={operation.done} max={Math.max(operation.total, 1)} />
          <p role="status">
            {count(operation.done)} of {count(operation.total)}
            {operation.refused > 0 && `, ${count(operation.refused)} refused`}
            {isOver && ` – ${operation.state.toLowerCase()}`}
          </p>
          {operation.problems.slice(0, 5).map(({ id: task, message }) => (
            <p key={task} className="ink-2">
              {message}
            </p>
          ))}
        </div>
      )}
      <div className="dialog-actions">
        {operation !== undefined && !isOver && (
          <button type="button" className="button" onClick={() => void client.mutation(STOP, { id: operation.id }).toPromise()}>
            Stop
          </button>
        )}
        <button type="button" className="button" onClick={onClose}>
          {operation === undefined ? "Back" : isOver ? "Close" : "Close, and let it go on"}
        </button>
        {operation === undefined && (
          <button
            type="button"
            className={`button ${warning === null ? "button-main" : "button-danger"}`}
            disabled={counted === undefined || counted === 0}
            onClick={() => void send(false).then(setOperation)}
          >
            {verb} {tasks}
          </button>
        )}
      </div>
    </Dialog>
  );
}
