// The definitions that a task has had: who changed what, and the way back to each of them.
import { useState } from "react";
import { useMutation, useQuery } from "urql";

import { graphql, type ResultOf } from "../../api/graphql";
import { REFUSAL, refusalOf } from "../../api/refusal";
import { useMay } from "../../api/viewer";
import { DialogForm } from "../../ui/DialogForm";
import { ErrorNote, Skeleton } from "../../ui/feedback";
import { Time } from "../../ui/Time";
import type { Refusal } from "../../ui/useRefusal";
import type { TaskData } from "./query";

const VERSIONS = graphql(`
  query TaskVersions($id: ID!, $first: Int!) {
    task(id: $id) {
      id
      versions(first: $first) {
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
          hasNextPage
        }
      }
    }
  }
`);

const ROLLBACK = graphql(
  `
    mutation RollbackTask($id: ID!, $version: Int!, $expectedVersion: Int) {
      rollbackTask(id: $id, version: $version, expectedVersion: $expectedVersion) {
        __typename
        ... on Task {
          id
          version
        }
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

type Version = NonNullable<ResultOf<typeof VERSIONS>["task"]>["versions"]["nodes"][number];

const SHOWN = 10;
/** All that the service keeps. */
const MOST = 100;

interface Props {
  task: TaskData;
  onChange: () => void;
}

export function Versions({ task, onChange }: Props) {
  const [first, setFirst] = useState(SHOWN);
  const [{ data, error }, execute] = useQuery({ query: VERSIONS, variables: { id: task.id, first } });
  const [, send] = useMutation(ROLLBACK);
  const [asked, setAsked] = useState<Version | null>(null);
  const mayWrite = useMay("WRITE");
  const versions = data?.task?.versions.nodes;
  if (versions === undefined) {
    return error === undefined ? <Skeleton lines={3} /> : <ErrorNote error={error} />;
  }

  async function rollBack(version: number): Promise<Refusal | null> {
    const { data: made, error: failed } = await send({ id: task.id, version, expectedVersion: task.version });
    onChange();
    execute({ requestPolicy: "network-only" });
    return refusalOf(made?.rollbackTask, failed, `The definition of version ${version} is back, as a new version.`);
  }

  return (
    <ol className="versions">
      {versions.map((version, place) => (
        <li key={version.version}>
          <div className="versions-head">
            <strong>Version {version.version}</strong>
            <span className="ink-3">
              <Time at={version.at} />
              {version.actor !== null && ` by ${version.actor}`}
            </span>
            {place > 0 && mayWrite && (
              <button type="button" className="button button-small" onClick={() => setAsked(version)}>
                Roll back …
              </button>
            )}
          </div>
          <Changes version={version} />
        </li>
      ))}
      {data?.task?.versions.pageInfo.hasNextPage === true && (
        <li>
          <button type="button" className="button" onClick={() => setFirst(MOST)}>
            Show all
          </button>
        </li>
      )}
      {asked !== null && (
        <DialogForm title={`Go back to version ${asked.version}?`} action="Roll back" onClose={() => setAsked(null)} onSave={() => rollBack(asked.version)}>
          <p>The task gets the definition that it had then, as a new version. What it is now stays in this list.</p>
        </DialogForm>
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
