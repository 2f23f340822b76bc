// What a task calls: method, URL, headers and body, and what counts as a success.
import { useState } from "react";

import { type ActionForm, METHODS, type Signing } from "../../forms/task-form";
import { Card } from "../../ui/Card";
import { DurationInput } from "../../ui/DurationInput";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/icons";
import { BodyEditor } from "./BodyEditor";
import { HeaderRows } from "./HeaderRows";
import { TryIt } from "./TryIt";

interface Props {
  action: ActionForm;
  onChange: (change: Partial<ActionForm>) => void;
  onPaste: () => void;
}

export function RequestSection({ action, onChange, onPaste }: Props) {
  return (
    <Card
      title="Request"
      aside={
        <button type="button" className="button button-small" onClick={onPaste}>
          <Icon name="copy" />
          Paste a curl command
        </button>
      }
    >
      <div className="card-body form-stack">
        <div className="form-row">
          <Field name="action.method" label="Method">
            {(control) => (
              <select {...control} value={action.method} onChange={(event) => onChange({ method: event.target.value as ActionForm["method"] })}>
                {METHODS.map((method) => (
                  <option key={method}>{method}</option>
                ))}
              </select>
            )}
          </Field>
          <Field name="action.url" label="URL" className="grow">
            {(control) => (
              <input
                {...control}
                className="mono"
                type="url"
                autoComplete="off"
                spellCheck={false}
                placeholder="https://example.com/hook"
                value={action.url}
                onChange={(event) => onChange({ url: event.target.value })}
              />
            )}
          </Field>
        </div>
        <HeaderRows headers={action.headers} onChange={(headers) => onChange({ headers })} />
        <BodyEditor action={action} onChange={onChange} />
        <details className="more">
          <summary>Success, timeout, redirects, signature</summary>
          <div className="form-grid">
            <Field name="action.successStatuses" label="Statuses that are a success" hint="Such as 2xx, 404, 200-204.">
              {(control) => (
                <input {...control} autoComplete="off" value={action.successStatuses} onChange={(event) => onChange({ successStatuses: event.target.value })} />
              )}
            </Field>
            <Field name="action.timeoutMs" label="Timeout" hint="Of a whole attempt; at most one hour.">
              {(control) => <DurationInput control={control} label="the timeout" value={action.timeout} onChange={(timeout) => onChange({ timeout })} />}
            </Field>
            <Field name="action.redirects" label="Redirects to follow" hint="0 to 5.">
              {(control) => (
                <input {...control} type="number" min={0} max={5} value={action.redirects} onChange={(event) => onChange({ redirects: event.target.value })} />
              )}
            </Field>
            <Signature action={action} onChange={onChange} />
          </div>
        </details>
        <TryIt action={action} />
      </div>
    </Card>
  );
}

function Signature({ action, onChange }: Pick<Props, "action" | "onChange">) {
  const hasStored = action.signing === "stored";
  // A task that was loaded with secrets can keep them, whatever was chosen meanwhile.
  const [couldKeep] = useState(hasStored);
  return (
    <>
      <Field name="action.signing" label="Signature" hint="By Standard Webhooks, so that the target can verify who calls.">
        {(control) => (
          <select {...control} value={action.signing} onChange={(event) => onChange({ signing: event.target.value as Signing })}>
            <option value="off">None</option>
            {couldKeep && <option value="stored">By the stored secrets</option>}
            <option value="new">{couldKeep ? "By new secrets" : "By secrets"}</option>
          </select>
        )}
      </Field>
      {action.signing === "new" && (
        <Field name="action.signingSecrets" label="Signing secrets" hint="whsec_ and 24 to 64 bytes in Base64; up to 4, one a line. They are not shown again.">
          {(control) => (
            <textarea
              {...control}
              className="mono"
              rows={2}
              autoComplete="off"
              spellCheck={false}
              value={action.signingSecrets}
              onChange={(event) => onChange({ signingSecrets: event.target.value })}
            />
          )}
        </Field>
      )}
    </>
  );
}
