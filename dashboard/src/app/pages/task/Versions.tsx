// The definitions that a task has had: who changed what, and the way back to each of them.
import { useState } from "react";
import { useMutation, useQuery } from "urql";

import { words } from "../../api/client";
import { graphql, type ResultOf } from "../../api/graphql";
import { useMay } from "../../api/viewer";
import { Dialog } from "../../ui/Dialog";
import { ErrorNote, Skeleton } from "../../ui/feedback";
import { Time } from "../../ui/Time";
import { toast } from "../../ui/Toasts";
import type { TaskData } from "./query";

const VERSIONS = graphql(`
  query TaskVersions($id: ID!, $after: String) {
    task(id: $id) {
      id
      versions(first: 20, after: $after) {
        nodes {
          version
          at
          actor
          changes {
            field
            before
            after
          }
        }
        pageInfo {
          endCursor
          hasNextPage
        }
      }
    }
  }
`);

const ROLLBACK = graphql(`
  mutation RollbackTask($id: ID!, $version: Int!, $expectedVersion: Int) {
    rollbackTask(id: $id, version: $version, expectedVersion: $expectedVersion) {
      __typename
      ... on Task {
        id
        version
      }
      ... on Error {
        message
      }
    }
  }
`);

type Version = NonNullable<ResultOf<typeof VERSIONS>["task"]>["versions"]["nodes"][number];

interface Props {
  task: TaskData;
  onChange: () => void;
}

export function Versions({ task, onChange }: Props) {
  const [{ data, error }, execute] = useQuery({ query: VERSIONS, variables: { id: task.id, after: null } });
  const [, send] = useMutation(ROLLBACK);
  const [asked, setAsked] = useState<Version | null>(null);
  const mayWrite = useMay("WRITE");
  const versions = data?.task?.versions.nodes;
  if (versions === undefined) {
    return error === undefined ? <Skeleton lines={3} /> : <ErrorNote error={error} />;
  }

  async function rollBack(version: number): Promise<void> {
    setAsked(null);
    const { data: made, error: failed } = await send({ id: task.id, version, expectedVersion: task.version });
    const result = made?.rollbackTask;
    if (result?.__typename === "Task") {
      toast(`The definition of version ${version} is back, as version ${result.version}.`);
    } else {
      toast(result?.message ?? (failed === undefined ? "The service did not answer." : words(failed)), { tone: "bad" });
    }
    onChange();
    execute({ requestPolicy: "network-only" });
  }

  return (
    <ol className="versions">
      {versions.map((version) => (
        <li key={version.version}>
          <div className="versions-head">
            <strong>Version {version.version}</strong>
            <span className="ink-3">
              <Time at={version.at} />
              {version.actor !== null && ` by ${version.actor}`}
            </span>
            {version.version !== task.version && mayWrite && (
              <button type="button" className="button button-small" onClick={() => setAsked(version)}>
                Roll back …
              </button>
            )}
          </div>
          <Changes version={version} />
        </li>
      ))}
      {asked !== null && (
        <Dialog title={`Go back to version ${asked.version}?`} onClose={() => setAsked(null)}>
          <p>The task gets the definition that it had then, as a new version. What it is now stays in this list.</p>
          <div className="dialog-actions">
            <button type="button" className="button" onClick={() => setAsked(null)}>
              Back
            </button>
            <button type="button" className="button button-main" onClick={() => void rollBack(asked.version)}>
              Roll back
            </button>
          </div>
        </Dialog>
      )}
    </ol>
  );
}

function Changes({ version }: { version: Version }) {
  if (version.changes.length === 0) {
    return <p className="ink-3">{version.version === 1 ? "Created." : "The definition stayed the same."}</p>;
  }
  return (
    <ul className="versions-changes">
      {version.changes.map(({ field, before, after }) => (
        <li key={field}>
          <span className="mono">{field}</span>
          {before !== null && <del className="mono">{written(before)}</del>}
          {after !== null && <ins className="mono">{written(after)}</ins>}
        </li>
      ))}
    </ul>
  );
}

function written(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
