// What can be done to the tasks or runs that are selected.
import type { TadaDocumentNode } from "gql.tada";
import { useState } from "react";

import { client, failure } from "../api/client";
import { count } from "../time/format";
import { DialogForm } from "../ui/DialogForm";
import { Icon, type IconName } from "../ui/icons";
import { toast } from "../ui/Toasts";
import { counted } from "./operations";

/** The result for each id, in their order. Those that were refused have a message. */
export type Mutation = TadaDocumentNode<{ results: { __typename: string; message?: string }[] }, { ids: string[] }>;

export interface SelectionAction {
  name: string;
  label: string;
  /** What the message says of it, such as "paused". */
  done: string;
  icon: IconName;
  /** The question before it; null if it is done at once. */
  asks: string | null;
  mutation: Mutation;
  /** Does the opposite, if there is one. */
  undo?: SelectionAction;
  /** Shows the change before the service has answered; the function that it returns takes the change of some ids back. */
  assume?: (ids: readonly string[]) => (refused: readonly string[]) => void;
}

interface Props {
  noun: "task" | "run";
  ids: ReadonlySet<string>;
  actions: readonly SelectionAction[];
  onDone: () => void;
  onClear: () => void;
}

/** The most ids in a request. */
const CHUNK = 100;

export function Selection({ noun, ids, actions, onDone, onClear }: Props) {
  const [asked, setAsked] = useState<SelectionAction | null>(null);
  const [progress, setProgress] = useState<number | null>(null);
  const things = counted(ids.size, noun);

  function tellOf({ done }: SelectionAction, changed: readonly string[], problems: readonly string[], undo?: () => void): void {
    const [problem] = problems;
    if (problem === undefined) {
      toast(`${counted(changed.length, noun)} ${done}.`, undo === undefined ? {} : { undo });
    } else {
      toast(`${changed.length === 0 ? "" : `${counted(changed.length, noun)} ${done}, `}${count(problems.length)} refused: ${problem}`, { tone: "bad" });
    }
  }

  async function takeBack(undo: SelectionAction, changed: readonly string[]): Promise<void> {
    const back = await send(undo, changed);
    tellOf(undo, back.changed, back.problems);
    onDone();
  }

  async function act(action: SelectionAction): Promise<void> {
    const { changed, problems } = await send(action, [...ids], setProgress);
    setProgress(null);
    if (problems.length === 0) {
      tellOf(action, changed, problems, action.undo && (() => void takeBack(action.undo!, changed)));
      onClear();
    } else {
      tellOf(action, changed, problems);
    }
    onDone();
  }

  return (
    <div className="selection" role="toolbar" aria-label={`Selected ${noun}s`}>
      <strong>{progress === null ? `${things} selected` : `${count(progress)} of ${things} …`}</strong>
      {actions.map((action) => (
        <button
          key={action.name}
          type="button"
          className="button button-small"
          disabled={progress !== null}
          onClick={() => (action.asks === null ? void act(action) : setAsked(action))}
        >
          <Icon name={action.icon} />
          {action.label}
        </button>
      ))}
      <button type="button" className="button button-small" onClick={onClear}>
        Clear
      </button>
      {asked !== null && (
        <DialogForm
          title={`${asked.label} ${things}?`}
          action={`${asked.label} ${things}`}
          back="Back"
          danger
          onClose={() => setAsked(null)}
          onSave={async () => {
            // A message tells of those that were refused, because others may have been changed.
            await act(asked);
            return null;
          }}
        >
          <p>{asked.asks}</p>
        </DialogForm>
      )}
    </div>
  );
}

/** Send a mutation for ids, some at a time. Return the ids that it changed, and why it did not change others. */
async function send(
  { mutation, assume }: SelectionAction,
  ids: readonly string[],
  onProgress: (number: number) => void = () => undefined,
): Promise<{ changed: string[]; problems: string[] }> {
  const changed: string[] = [];
  const problems: string[] = [];
  const takeBack = assume?.(ids);
  for (let place = 0; place < ids.length; place += CHUNK) {
    onProgress(place);
    const chunk = ids.slice(place, place + CHUNK);
    const { data, error } = await client.mutation(mutation, { ids: chunk }).toPromise();
    if (data === undefined || data === null) {
      problems.push(failure(error));
      break;
    }
    data.results.forEach(({ message }, index) => (message === undefined ? changed.push(chunk[index]!) : problems.push(message)));
  }
  if (takeBack !== undefined && changed.length < ids.length) {
    const done = new Set(changed);
    takeBack(ids.filter((id) => !done.has(id)));
  }
  return { changed, problems };
}
