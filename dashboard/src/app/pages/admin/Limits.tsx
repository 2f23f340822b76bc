// The limits per target: how often and how many at once a host, or what shares a flow key, is called.
import "./admin.css";

import { useState } from "react";
import { useClient } from "urql";

import { graphql, type ResultOf } from "../../api/graphql";
import { usePolled } from "../../api/polling";
import { REFUSAL, refusalOf } from "../../api/refusal";
import { useMay } from "../../api/viewer";
import { count } from "../../time/format";
import { DialogForm } from "../../ui/DialogForm";
import { Empty } from "../../ui/feedback";
import { Field } from "../../ui/Field";
import { NewButton } from "../../ui/NewButton";
import { RowsCard } from "../../ui/RowsCard";
import { Time } from "../../ui/Time";
import type { Refusal } from "../../ui/useRefusal";
import { AdminPage } from "./AdminPage";

const LIMITS = graphql(`
  query FlowLimits {
    flowLimits {
      id
      key {
        host
        flowKey
      }
      maxConcurrent
      ratePerSecond
      burst
      waitingRuns
      runningRuns
      updatedAt
    }
  }
`);

const CREATE = graphql(
  `
    mutation CreateFlowLimit($input: CreateFlowLimitInput!) {
      createFlowLimit(input: $input) {
        __typename
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

const UPDATE = graphql(
  `
    mutation UpdateFlowLimit($id: ID!, $input: UpdateFlowLimitInput!) {
      updateFlowLimit(id: $id, input: $input) {
        __typename
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

const DELETE = graphql(
  `
    mutation DeleteFlowLimit($id: ID!) {
      deleteFlowLimit(id: $id) {
        __typename
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

type Limit = ResultOf<typeof LIMITS>["flowLimits"][number];
type Kind = "host" | "flowKey";

const COLUMNS = [
  { title: "Target" },
  { title: "Limit" },
  { title: "Running", wideOnly: true },
  { title: "Waiting", wideOnly: true },
  { title: "Changed", wideOnly: true },
  { title: "Actions", hidden: true },
];
const LABELS = {
  "key.host": "Host",
  "key.flowKey": "Flow key",
  maxConcurrent: "At the same time",
  ratePerSecond: "Per second",
  burst: "Together after a pause",
};

export function Limits() {
  const isAdmin = useMay("ADMIN");
  const { data, error, refresh } = usePolled(LIMITS, {}, { everyMs: 5_000, pause: !isAdmin });
  const [editing, setEditing] = useState<Limit | "new" | null>(null);
  const [deleting, setDeleting] = useState<Limit | null>(null);
  const remove = useRemove(refresh);
  return (
    <AdminPage title="Limits" actions={<NewButton label="New limit" onClick={() => setEditing("new")} />}>
      <RowsCard
        label="Limits"
        columns={COLUMNS}
        rows={data?.flowLimits}
        error={error}
        refresh={refresh}
        empty={
          <Empty icon="gauge" title="There are no limits.">
            <p>A limit says how often a host, or all tasks that share a flow key, may be called. Runs beyond it wait in their order.</p>
          </Empty>
        }
      >
        {(limit) => (
          <tr key={limit.id}>
            <th scope="row">
              {targetOf(limit)}
              <span className="under">{limit.key.host === null ? "flow key" : "host"}</span>
            </th>
            <td>
              {inWords(limit)}
              <span className="under narrow-only">
                {count(limit.runningRuns)} running, {count(limit.waitingRuns)} waiting
              </span>
            </td>
            <td className="wide-only">{count(limit.runningRuns)}</td>
            <td className="wide-only">{count(limit.waitingRuns)}</td>
            <td className="wide-only">
              <Time at={limit.updatedAt} />
            </td>
            <td className="row-actions">
              <button type="button" className="button button-small" aria-label={`Edit the limit of ${targetOf(limit)}`} onClick={() => setEditing(limit)}>
                Edit
              </button>
              <button type="button" className="button button-small" aria-label={`Delete the limit of ${targetOf(limit)}`} onClick={() => setDeleting(limit)}>
                Delete
              </button>
            </td>
          </tr>
        )}
      </RowsCard>
      {editing !== null && <LimitForm limit={editing === "new" ? null : editing} onClose={() => setEditing(null)} onSaved={refresh} />}
      {deleting !== null && (
        <DialogForm title={`Delete the limit of ${targetOf(deleting)}?`} action="Delete" danger onClose={() => setDeleting(null)} onSave={() => remove(deleting)}>
          <p>Workers learn of it at once, or within a second while Redis is away, and start the runs that wait for it.</p>
        </DialogForm>
      )}
    </AdminPage>
  );
}

function targetOf({ key }: Limit): string {
  return key.host ?? key.flowKey ?? "";
}

function inWords({ maxConcurrent, ratePerSecond, burst }: Limit): string {
  const parts = [];
  if (ratePerSecond !== null) {
    parts.push(`${ratePerSecond.toLocaleString("en")} per second${burst !== null && burst > 1 ? `, ${burst.toLocaleString("en")} together` : ""}`);
  }
  if (maxConcurrent !== null) {
    parts.push(`${maxConcurrent.toLocaleString("en")} at the same time`);
  }
  return parts.join("; ");
}

function LimitForm({ limit, onClose, onSaved }: { limit: Limit | null; onClose: () => void; onSaved: () => void }) {
  const client = useClient();
  const [kind, setKind] = useState<Kind>("host");
  const [target, setTarget] = useState("");
  const [maxConcurrent, setMaxConcurrent] = useState(written(limit?.maxConcurrent));
  const [ratePerSecond, setRatePerSecond] = useState(written(limit?.ratePerSecond));
  const [burst, setBurst] = useState(limit?.burst === 1 ? "" : written(limit?.burst));

  async function save(): Promise<Refusal | null> {
    const numbers = { maxConcurrent, ratePerSecond, burst };
    const problems = Object.entries(numbers).flatMap(([name, text]) =>
      isNumber(text, { whole: name !== "ratePerSecond" })
        ? []
        : [{ path: [name], message: name === "ratePerSecond" ? "must be a number" : "must be a whole number" }],
    );
    if (problems.length > 0) {
      return { problems };
    }
    // An update takes a member away by 0, and a new limit leaves it out.
    const input = Object.fromEntries(
      Object.entries(numbers).map(([name, text]) => [name, text.trim() === "" ? (limit === null ? null : 0) : Number(text)]),
    );
    const { data, error } =
      limit === null
        ? await client.mutation(CREATE, { input: { key: kind === "host" ? { host: target } : { flowKey: target }, ...input } })
        : await client.mutation(UPDATE, { id: limit.id, input });
    const refusal = refusalOf(data === undefined ? undefined : "createFlowLimit" in data ? data.createFlowLimit : data.updateFlowLimit, error);
    if (refusal === null) {
      onSaved();
    }
    return refusal;
  }

  return (
    <DialogForm
      title={limit === null ? "New limit" : `The limit of ${targetOf(limit)}`}
      action={limit === null ? "Create limit" : "Save changes"}
      className="dialog-wide"
      labels={LABELS}
      onSave={save}
      onClose={onClose}
    >
      {limit === null && (
        <>
          <Field name="kind" label="Applies to">
            {(control) => (
              <select {...control} autoFocus value={kind} onChange={(event) => setKind(event.target.value as Kind)}>
                <option value="host">A host</option>
                <option value="flowKey">A flow key, which tasks carry</option>
              </select>
            )}
          </Field>
          <Field
            key={kind}
            name={`key.${kind}`}
            label={LABELS[`key.${kind}`]}
            hint={kind === "host" ? "Such as api.example.com, or *.example.com for all hosts below a name; with a port for that port alone." : undefined}
          >
            {(control) => <input {...control} autoComplete="off" spellCheck={false} value={target} onChange={(event) => setTarget(event.target.value)} />}
          </Field>
        </>
      )}
      <Field name="ratePerSecond" label={LABELS.ratePerSecond} hint="How many calls may start; 0.5 is one in two seconds. Empty means any number.">
        {(control) => <input {...control} inputMode="decimal" autoComplete="off" value={ratePerSecond} onChange={(event) => setRatePerSecond(event.target.value)} />}
      </Field>
      <Field name="burst" label={LABELS.burst} hint="How many calls may start at once after a time without any. Empty means one.">
        {(control) => <input {...control} inputMode="numeric" autoComplete="off" value={burst} onChange={(event) => setBurst(event.target.value)} />}
      </Field>
      <Field name="maxConcurrent" label={LABELS.maxConcurrent} hint="How many calls may run. Empty means any number.">
        {(control) => <input {...control} inputMode="numeric" autoComplete="off" value={maxConcurrent} onChange={(event) => setMaxConcurrent(event.target.value)} />}
      </Field>
    </DialogForm>
  );
}

function written(value: number | null | undefined): string {
  return value === null || value === undefined ? "" : String(value);
}

function isNumber(text: string, { whole }: { whole: boolean }): boolean {
  return text.trim() === "" || (whole ? Number.isSafeInteger(Number(text)) : Number.isFinite(Number(text)));
}

function useRemove(refresh: () => void): (limit: Limit) => Promise<Refusal | null> {
  const client = useClient();
  return async (limit) => {
    const { data, error } = await client.mutation(DELETE, { id: limit.id });
    refresh();
    return refusalOf(data?.deleteFlowLimit, error, `The limit of ${targetOf(limit)} is deleted.`);
  };
}
