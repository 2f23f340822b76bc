// What can be done to the tasks that are selected.
import { useState } from "react";

import { client, words } from "../../api/client";
import { graphql } from "../../api/graphql";
import { count } from "../../time/format";
import { Dialog } from "../../ui/Dialog";
import { Icon, type IconName } from "../../ui/icons";
import { toast } from "../../ui/Toasts";

const MUTATIONS = {
  run: graphql(`
    mutation RunTasks($ids: [ID!]!) {
      results: runTasks(ids: $ids) {
        __typename
        ... on Error {
          message
        }
      }
    }
  `),
  pause: graphql(`
    mutation PauseTasks($ids: [ID!]!) {
      results: pauseTasks(ids: $ids) {
        __typename
        ... on Error {
          message
        }
      }
    }
  `),
  resume: graphql(`
    mutation ResumeTasks($ids: [ID!]!) {
      results: resumeTasks(ids: $ids) {
        __typename
        ... on Error {
          message
        }
      }
    }
  `),
  cancel: graphql(`
    mutation CancelTasks($ids: [ID!]!) {
      results: cancelTasks(ids: $ids) {
        __typename
        ... on Error {
          message
        }
      }
    }
  `),
  delete: graphql(`
    mutation DeleteTasks($ids: [ID!]!) {
      results: deleteTasks(ids: $ids) {
        __typename
        ... on Error {
          message
        }
      }
    }
  `),
};

type Action = keyof typeof MUTATIONS;

const CHUNK = 100;

const ACTIONS: Record<Action, { label: string; done: string; icon: IconName; asks: string | null }> = {
  run: { label: "Run now", done: "started", icon: "play", asks: null },
  pause: { label: "Pause", done: "paused", icon: "pause", asks: null },
  resume: { label: "Resume", done: "resumed", icon: "retry", asks: null },
  cancel: { label: "Cancel", done: "cancelled", icon: "ban", asks: "A cancelled task never runs again by its schedule." },
  delete: { label: "Delete", done: "deleted", icon: "trash", asks: "The tasks and their runs are gone then. This cannot be undone." },
};

interface Props {
  ids: ReadonlySet<string>;
  onDone: () => void;
  onClear: () => void;
}

export function Selection({ ids, onDone, onClear }: Props) {
  const [asked, setAsked] = useState<Action | null>(null);
  const [progress, setProgress] = useState<number | null>(null);
  const tasks = `${count(ids.size)} ${ids.size === 1 ? "task" : "tasks"}`;

  async function act(action: Action): Promise<void> {
    setAsked(null);
    const all = [...ids];
    const problems: string[] = [];
    for (let place = 0; place < all.length; place += CHUNK) {
      setProgress(place);
      const { data, error } = await client.mutation(MUTATIONS[action], { ids: all.slice(place, place + CHUNK) }).toPromise();
      if (error !== undefined) {
        problems.push(words(error));
        break;
      }
      problems.push(...(data?.results ?? []).flatMap((result) => ("message" in result ? [result.message] : [])));
    }
    setProgress(null);
    if (problems.length === 0) {
      toast(`${tasks} ${ACTIONS[action].done}.`);
      onClear();
    } else {
      toast(`${count(problems.length)} of ${tasks} refused: ${problems[0]}`, { tone: "bad" });
    }
    onDone();
  }

  return (
    <div className="selection" role="toolbar" aria-label="Selected tasks">
      <strong>{progress === null ? `${tasks} selected` : `${count(progress)} of ${tasks} …`}</strong>
      {(Object.keys(ACTIONS) as Action[]).map((action) => (
        <button
          key={action}
          type="button"
          className="button button-small"
          disabled={progress !== null}
          onClick={() => (ACTIONS[action].asks === null ? void act(action) : setAsked(action))}
        >
          <Icon name={ACTIONS[action].icon} />
          {ACTIONS[action].label}
        </button>
      ))}
      <button type="button" className="button button-small" onClick={onClear}>
        Clear
      </button>
      {asked !== null && (
        <Dialog title={`${ACTIONS[asked].label} ${tasks}?`} onClose={() => setAsked(null)}>
          <p>{ACTIONS[asked].asks}</p>
          <div className="dialog-actions">
            <button type="button" className="button" onClick={() => setAsked(null)}>
              Keep them
            </button>
            <button type="button" className="button button-danger" onClick={() => void act(asked)}>
              {ACTIONS[asked].label} {tasks}
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}
