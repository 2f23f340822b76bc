// JSON as a tree whose branches fold.
import { useState } from "react";

const OPEN_LEVELS = 2;
const SHOWN_AT_ONCE = 100;

export function JsonTree({ value }: { value: unknown }) {
  return (
    <div className="json mono">
      <Value value={value} level={0} />
    </div>
  );
}

function Value({ value, level, name }: { value: unknown; level: number; name?: string }) {
  const label = name === undefined ? null : <span className="json-name">{name}: </span>;
  if (typeof value !== "object" || value === null) {
    return (
      <div className="json-line">
        {label}
        <span className={`json-${value === null ? "null" : typeof value}`}>{JSON.stringify(value)}</span>
      </div>
    );
  }
  return <Branch value={value} level={level} label={label} />;
}

function Branch({ value, level, label }: { value: object; level: number; label: React.ReactNode }) {
  const [isOpen, setOpen] = useState(level < OPEN_LEVELS);
  const [shown, setShown] = useState(SHOWN_AT_ONCE);
  const isList = Array.isArray(value);
  const members = Object.entries(value);
  const count = `${members.length} ${isList ? "item" : "member"}${members.length === 1 ? "" : "s"}`;
  if (members.length === 0) {
    return (
      <div className="json-line">
        {label}
        {isList ? "[]" : "{}"}
      </div>
    );
  }
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {label}
        <span className="ink-3">
          {isList ? "[" : "{"} {count} {isList ? "]" : "}"}
        </span>
      </summary>
      {isOpen && (
        <div className="json-members">
          {members.slice(0, shown).map(([name, member]) => (
            <Value key={name} value={member} level={level + 1} {...(isList ? {} : { name })} />
          ))}
          {shown < members.length && (
            <button type="button" className="button button-small" onClick={() => setShown(shown + SHOWN_AT_ONCE)}>
              {members.length - shown} more
            </button>
          )}
        </div>
      )}
    </details>
  );
}
