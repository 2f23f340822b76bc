// The API keys: who may do what, since when, and until when.
import "./admin.css";

import { useState } from "react";
import { useClient } from "urql";

import { graphql, type ResultOf } from "../../api/graphql";
import { usePolled } from "../../api/polling";
import { REFUSAL, refusalOf } from "../../api/refusal";
import { useMay, useViewer } from "../../api/viewer";
import { toInstant } from "../../forms/wall-clock";
import { MINE } from "../../time/zone";
import { CopyButton } from "../../ui/CopyButton";
import { Dialog } from "../../ui/Dialog";
import { DialogForm } from "../../ui/DialogForm";
import { Empty } from "../../ui/feedback";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/icons";
import { NewButton } from "../../ui/NewButton";
import { RowsCard } from "../../ui/RowsCard";
import { Badge } from "../../ui/states";
import { Time } from "../../ui/Time";
import type { Refusal } from "../../ui/useRefusal";
import { AdminPage } from "./AdminPage";

const KEYS = graphql(`
  query ApiKeys {
    apiKeys {
      id
      name
      scope
      createdAt
      expiresAt
      lastUsedAt
      revokedAt
      active
    }
  }
`);

const CREATE = graphql(
  `
    mutation CreateApiKey($input: CreateApiKeyInput!) {
      createApiKey(input: $input) {
        __typename
        ... on CreatedApiKey {
          key
          apiKey {
            id
            name
          }
        }
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

const REVOKE = graphql(
  `
    mutation RevokeApiKey($id: ID!) {
      revokeApiKey(id: $id) {
        __typename
        ... on ApiKey {
          id
          revokedAt
          active
        }
        ...Refusal
      }
    }
  `,
  [REFUSAL],
);

type Key = ResultOf<typeof KEYS>["apiKeys"][number];
type Scope = Key["scope"];

const SCOPES: Record<Scope, string> = {
  READ: "Read: tasks and their history",
  WRITE: "Write: change and run tasks",
  ADMIN: "Admin: also keys, limits, the audit log",
};
const COLUMNS = [
  { title: "Name" },
  { title: "State" },
  { title: "Last used" },
  { title: "Created", wideOnly: true },
  { title: "Actions", hidden: true },
];
const LABELS = { name: "Name", scope: "Scope", expiresAt: "Ends" };

export function Keys() {
  const viewer = useViewer();
  const isAdmin = useMay("ADMIN");
  const { data, error, refresh } = usePolled(KEYS, {}, { everyMs: 15_000, pause: !isAdmin });
  const [isCreating, setCreating] = useState(false);
  const [created, setCreated] = useState<{ name: string; token: string } | null>(null);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const revoke = useRevoke();
  return (
    <AdminPage title="API keys" actions={<NewButton label="New key" onClick={() => setCreating(true)} />}>
      {viewer?.keysRequired === false && (
        <div className="note note-warn">
          <Icon name="alert" />
          <p>
            Authentication is off: everybody who reaches this service is an admin. Set <code>DUETIME_AUTH=keys</code> to require keys.
          </p>
        </div>
      )}
      <RowsCard
        label="Keys"
        columns={COLUMNS}
        rows={data?.apiKeys}
        error={error}
        refresh={refresh}
        empty={
          <Empty icon="key" title="There are no keys yet.">
            <p>Programs, and people in this dashboard, show who they are by a key. Create the first one here.</p>
          </Empty>
        }
      >
        {(key) => (
          <tr key={key.id} className={key.active ? "" : "is-over"}>
            <th scope="row">
              {key.name}
              <span className="under">{key.scope.toLowerCase()}</span>
            </th>
            <td>
              <KeyState of={key} />
            </td>
            <td>{key.lastUsedAt === null ? <span className="ink-3">never</span> : <Time at={key.lastUsedAt} />}</td>
            <td className="wide-only">
              <Time at={key.createdAt} />
            </td>
            <td className="row-actions">
              {key.active && key.name === viewer?.keyName ? (
                <span className="ink-3">yours</span>
              ) : (
                key.active && (
                  <button type="button" className="button button-small" aria-label={`Revoke ${key.name}`} onClick={() => setRevoking(key)}>
                    Revoke
                  </button>
                )
              )}
            </td>
          </tr>
        )}
      </RowsCard>
      {isCreating && (
        <NewKey
          onClose={() => setCreating(false)}
          onCreated={(made) => {
            setCreated(made);
            refresh();
          }}
        />
      )}
      {created !== null && <CreatedKey {...created} onClose={() => setCreated(null)} />}
      {revoking !== null && (
        <DialogForm title={`Revoke ${revoking.name}?`} action="Revoke" danger onClose={() => setRevoking(null)} onSave={() => revoke(revoking)}>
          <p>Programs that use this key are refused at once, and what is open under it is closed. This cannot be undone.</p>
        </DialogForm>
      )}
    </AdminPage>
  );
}

function KeyState({ of: { active, revokedAt, expiresAt } }: { of: Key }) {
  if (revokedAt !== null) {
    return (
      <>
        <Badge tone="quiet" icon="ban" word="Revoked" /> <Time at={revokedAt} />
      </>
    );
  }
  if (!active) {
    return (
      <>
        <Badge tone="quiet" icon="clock" word="Ended" /> {expiresAt !== null && <Time at={expiresAt} />}
      </>
    );
  }
  return (
    <>
      <Badge tone="ok" icon="check" word="Valid" />{" "}
      {expiresAt !== null && (
        <span className="ink-2">
          ends <Time at={expiresAt} />
        </span>
      )}
    </>
  );
}

function NewKey({ onClose, onCreated }: { onClose: () => void; onCreated: (made: { name: string; token: string }) => void }) {
  const client = useClient();
  const [name, setName] = useState("");
  const [scope, setScope] = useState<Scope>("WRITE");
  const [endsAt, setEndsAt] = useState("");

  async function save(): Promise<Refusal | null> {
    const expiresAt = endsAt === "" ? null : (toInstant(endsAt, MINE)?.instant ?? null);
    const { data, error } = await client.mutation(CREATE, { input: { name, scope, expiresAt } });
    const result = data?.createApiKey;
    if (result?.__typename === "CreatedApiKey") {
      onCreated({ name: result.apiKey.name, token: result.key });
    }
    return result?.__typename === "Conflict" ? { problems: [{ path: ["name"], message: result.message }] } : refusalOf(result, error);
  }

  return (
    <DialogForm title="New API key" action="Create key" className="dialog-wide" labels={LABELS} onSave={save} onClose={onClose}>
      <Field name="name" label="Name" hint="Who or what uses the key; the audit log names it. It cannot be changed.">
        {(control) => <input {...control} autoFocus autoComplete="off" maxLength={64} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <Field name="scope" label="Scope" hint="It cannot be changed.">
        {(control) => (
          <select {...control} value={scope} onChange={(event) => setScope(event.target.value as Scope)}>
            {(Object.keys(SCOPES) as Scope[]).map((each) => (
              <option key={each} value={each}>
                {SCOPES[each]}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field name="expiresAt" label="Ends" hint={`In your time zone, ${MINE}. Empty means never.`}>
        {(control) => <input {...control} type="datetime-local" value={endsAt} onChange={(event) => setEndsAt(event.target.value)} />}
      </Field>
    </DialogForm>
  );
}

function CreatedKey({ name, token, onClose }: { name: string; token: string; onClose: () => void }) {
  return (
    <Dialog title={`The key ${name}`} onClose={null}>
      <p>Copy the key now. It is shown only this once.</p>
      <div className="secret-once">
        <code>{token}</code>
        <CopyButton text={token} label="Copy the key" />
      </div>
      <div className="dialog-actions">
        <button type="button" className="button button-main" onClick={onClose}>
          I have copied it
        </button>
      </div>
    </Dialog>
  );
}

function useRevoke(): (key: Key) => Promise<Refusal | null> {
  const client = useClient();
  return async ({ id, name }) => {
    const { data, error } = await client.mutation(REVOKE, { id });
    return refusalOf(data?.revokeApiKey, error, `The key ${name} is revoked.`);
  };
}
