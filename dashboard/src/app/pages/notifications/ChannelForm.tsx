// The form of a channel, new or existing. Its secrets are written and never read.
import { useState } from "react";
import { useClient } from "urql";

import { refusalOf } from "../../api/refusal";
import { DialogForm } from "../../ui/DialogForm";
import { Field } from "../../ui/Field";
import { Segments } from "../../ui/Segments";
import type { Refusal } from "../../ui/useRefusal";
import { type Channel, CREATE_CHANNEL, UPDATE_CHANNEL } from "./operations";

const KINDS = [["WEBHOOK", "Webhook"], ["APPRISE", "Mail, chat and others"]] as const;
const LABELS = {
  "name": "Name",
  "webhook.url": "URL",
  "webhook.signingSecrets": "Signing secrets",
  "apprise.url": "Apprise URL",
};
const SECRET_BYTES = 32;

interface Props {
  /** Null for a new one. */
  channel: Channel | null;
  onSaved: () => void;
  onClose: () => void;
}

export function ChannelForm({ channel, onSaved, onClose }: Props) {
  const client = useClient();
  const [kind, setKind] = useState<Channel["kind"]>(channel?.kind ?? "WEBHOOK");
  const [name, setName] = useState(channel?.name ?? "");
  const [url, setUrl] = useState(channel?.url ?? "");
  const [secrets, setSecrets] = useState("");
  const isStored = channel !== null;

  async function save(): Promise<Refusal | null> {
    const signingSecrets = secrets.split(/\s+/).filter(Boolean);
    let refusal: Refusal | null;
    if (channel === null) {
      const target = kind === "WEBHOOK" ? { webhook: { url, signingSecrets } } : { apprise: { url } };
      const { data, error } = await client.mutation(CREATE_CHANNEL, { input: { name, target } });
      refusal = refusalOf(data?.createChannel, error);
    } else {
      const webhook = { url, ...(signingSecrets.length === 0 ? {} : { signingSecrets }) };
      const target = kind === "WEBHOOK" ? { webhook } : url === "" ? null : { apprise: { url } };
      const { data, error } = await client.mutation(UPDATE_CHANNEL, { id: channel.id, input: { name, target, expectedVersion: channel.version } });
      refusal = refusalOf(data?.updateChannel, error);
    }
    if (refusal === null) {
      onSaved();
    }
    return refusal;
  }

  return (
    <DialogForm
      title={isStored ? `Edit ${channel.name}` : "New channel"}
      action={isStored ? "Save changes" : "Create channel"}
      className="dialog-wide"
      labels={LABELS}
      onSave={save}
      onClose={onClose}
    >
      {!isStored && <Segments label="Kind of channel" value={kind} options={KINDS} onChange={setKind} />}
      <Field name="name" label="Name">
        {(control) => <input {...control} autoFocus autoComplete="off" maxLength={255} placeholder="On-call" value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      {kind === "WEBHOOK" ? (
        <>
          <Field name="webhook.url" label="URL" hint="Messages are sent here by POST, as CloudEvents in JSON.">
            {(control) => (
              <input {...control} className="mono" type="url" autoComplete="off" spellCheck={false} placeholder="https://example.com/duetime" value={url} onChange={(event) => setUrl(event.target.value)} />
            )}
          </Field>
          <Field
            name="webhook.signingSecrets"
            label="Signing secrets"
            hint={`By Standard Webhooks: whsec_ and 24 to 64 bytes in Base64; up to 4, one a line.${isStored ? " Empty keeps the stored ones." : " They are not shown again."}`}
          >
            {(control) => (
              <textarea
                {...control}
                className="mono"
                rows={2}
                autoComplete="off"
                spellCheck={false}
                placeholder={isStored ? "Stored. Type to replace them." : "whsec_…"}
                value={secrets}
                onChange={(event) => setSecrets(event.target.value)}
              />
            )}
          </Field>
          <div className="form-actions">
            <button type="button" className="button button-small" onClick={() => setSecrets(randomSecret())}>
              Generate a secret
            </button>
          </div>
        </>
      ) : (
        <Field
          name="apprise.url"
          label="Apprise URL"
          hint={
            <>
              Such as <code>mailto://user:password@example.com?to=ops@example.com</code>. It is encrypted.{isStored && " Empty keeps the stored one."}
            </>
          }
        >
          {(control) => (
            <input
              {...control}
              className="mono"
              type="password"
              autoComplete="new-password"
              spellCheck={false}
              placeholder={isStored ? "Stored. Type to replace it." : ""}
              value={url}
              onChange={(event) => setUrl(event.target.value)}
            />
          )}
        </Field>
      )}
    </DialogForm>
  );
}

function randomSecret(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(SECRET_BYTES))))}`;
}
