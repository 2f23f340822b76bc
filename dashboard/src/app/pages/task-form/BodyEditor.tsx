// The body of a request: JSON, text, a form, or bytes.
import type { ActionForm, BodyKind, FieldRow } from "../../forms/task-form";
import { indented } from "../../forms/task-form";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/icons";
import { Segments } from "../../ui/Segments";
import { AddRow } from "./HeaderRows";

const KINDS: readonly (readonly [BodyKind, string])[] = [["none", "None"], ["json", "JSON"], ["text", "Text"], ["form", "Form"], ["bytes", "Bytes"]];

interface Props {
  action: ActionForm;
  onChange: (change: Partial<ActionForm>) => void;
}

export function BodyEditor({ action, onChange }: Props) {
  return (
    <div className="form-stack body-editor">
      <div className="body-kinds">
        <span className="label">Body</span>
        <Segments label="Kind of body" value={action.bodyKind} options={KINDS} onChange={(bodyKind) => onChange({ bodyKind })} />
      </div>
      {action.bodyKind === "json" && <JsonBody text={action.json} onChange={(json) => onChange({ json })} />}
      {action.bodyKind === "text" && (
        <Field name="action.body" label="Text" labelHidden hint="Sent as text/plain, unless a header says another Content-Type.">
          {(control) => (
            <textarea {...control} className="mono" rows={6} spellCheck={false} value={action.text} onChange={(event) => onChange({ text: event.target.value })} />
          )}
        </Field>
      )}
      {action.bodyKind === "bytes" && (
        <Field name="action.bodyBase64" label="Bytes in Base64" hint="Sent as application/octet-stream, unless a header says another Content-Type.">
          {(control) => (
            <textarea {...control} className="mono" rows={4} spellCheck={false} value={action.base64} onChange={(event) => onChange({ base64: event.target.value })} />
          )}
        </Field>
      )}
      {action.bodyKind === "form" && <FormBody fields={action.fields} onChange={(fields) => onChange({ fields })} />}
    </div>
  );
}

function JsonBody({ text, onChange }: { text: string; onChange: (text: string) => void }) {
  const fault = faultOf(text);
  return (
    <Field name="action.payload" label="JSON" labelHidden hint={text.trim() === "" ? "Sent as application/json." : (fault ?? "Valid JSON, sent as application/json.")}>
      {(control) => (
        <div className="json-body">
          <textarea {...control} className="mono" rows={8} spellCheck={false} placeholder={'{ "text": "Hello" }'} value={text} onChange={(event) => onChange(event.target.value)} />
          <button type="button" className="button button-small" disabled={fault !== null || text.trim() === ""} onClick={() => onChange(indented(text))}>
            Format
          </button>
        </div>
      )}
    </Field>
  );
}

function faultOf(text: string): string | null {
  if (text.trim() === "") {
    return null;
  }
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return `Not valid yet: ${(error as Error).message}`;
  }
}

function FormBody({ fields, onChange }: { fields: readonly FieldRow[]; onChange: (fields: FieldRow[]) => void }) {
  const change = (place: number, row: Partial<FieldRow>): void =>
    onChange(fields.map((field, index) => (index === place ? { ...field, ...row } : field)));
  return (
    <fieldset className="rows">
      <legend className="visually-hidden">Fields of the form</legend>
      {fields.map((field, place) => (
        <div key={place} className="row row-pair">
          <Field name={`action.form.${place}.name`} label={`Name of field ${place + 1}`} labelHidden>
            {(control) => (
              <input {...control} className="mono" placeholder="Name" autoComplete="off" value={field.name} onChange={(event) => change(place, { name: event.target.value })} />
            )}
          </Field>
          <Field name={`action.form.${place}.value`} label={`Value of field ${place + 1}`} labelHidden className="grow">
            {(control) => (
              <input {...control} className="mono" placeholder="Value" autoComplete="off" value={field.value} onChange={(event) => change(place, { value: event.target.value })} />
            )}
          </Field>
          <button
            type="button"
            className="button button-icon"
            aria-label={`Remove field ${field.name || place + 1}`}
            onClick={() => onChange(fields.filter((_, index) => index !== place))}
          >
            <Icon name="trash" />
          </button>
        </div>
      ))}
      <AddRow name="action.form" label="Add a field" onAdd={() => onChange([...fields, { name: "", value: "" }])} />
    </fieldset>
  );
}
