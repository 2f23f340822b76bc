// The headers of a request. A secret is written and never read: one that is stored shows only that it is.
import { isAlwaysSecret } from "../../forms/curl-request";
import type { HeaderRow } from "../../forms/task-form";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/icons";

interface Props {
  headers: readonly HeaderRow[];
  onChange: (headers: HeaderRow[]) => void;
}

export function HeaderRows({ headers, onChange }: Props) {
  const change = (place: number, row: Partial<HeaderRow>): void =>
    onChange(headers.map((header, index) => (index === place ? { ...header, ...row } : header)));
  return (
    <fieldset className="rows">
      <legend>Headers</legend>
      {headers.map((header, place) => {
        const isAlways = isAlwaysSecret(header.name);
        const isSecret = header.secret || header.stored || isAlways;
        return (
          <div key={place} className="row">
            <Field name={`action.headers.${place}.name`} label={`Name of header ${place + 1}`} labelHidden>
              {(control) => (
                <input
                  {...control}
                  className="mono"
                  placeholder="Name"
                  autoComplete="off"
                  spellCheck={false}
                  // A stored secret belongs to its name.
                  readOnly={header.stored}
                  value={header.name}
                  onChange={(event) => change(place, { name: event.target.value })}
                />
              )}
            </Field>
            <Field name={`action.headers.${place}.value`} label={`Value of header ${place + 1}`} labelHidden className="grow">
              {(control) => (
                <input
                  {...control}
                  className="mono"
                  type={isSecret ? "password" : "text"}
                  placeholder={header.stored ? "Stored. Type to replace it." : "Value"}
                  autoComplete={isSecret ? "new-password" : "off"}
                  spellCheck={false}
                  value={header.value}
                  onChange={(event) => change(place, { value: event.target.value })}
                />
              )}
            </Field>
            <label className="secret" title={isAlways || header.stored ? "This header is always secret" : "Encrypt the value, and never show it again"}>
              <input
                type="checkbox"
                checked={isSecret}
                disabled={isAlways || header.stored}
                onChange={(event) => change(place, { secret: event.target.checked })}
              />
              Secret
            </label>
            <button
              type="button"
              className="button button-icon"
              aria-label={`Remove header ${header.name || place + 1}`}
              onClick={() => onChange(headers.filter((_, index) => index !== place))}
            >
              <Icon name="trash" />
            </button>
          </div>
        );
      })}
      <AddRow name="action.headers" label="Add a header" onAdd={() => onChange([...headers, { name: "", value: "", secret: false, stored: false }])} />
    </fieldset>
  );
}

/** The button under a list of rows, beside which the problems of the whole list stand. */
export function AddRow({ name, label, onAdd }: { name: string; label: string; onAdd: () => void }) {
  return (
    <Field name={name} label={label} labelHidden>
      {(control) => (
        <button {...control} type="button" className="button button-small add-row" onClick={onAdd}>
          <Icon name="plus" />
          {label}
        </button>
      )}
    </Field>
  );
}
