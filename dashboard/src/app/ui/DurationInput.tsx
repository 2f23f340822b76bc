// A duration as an amount and its unit.
import { type Duration, type Unit, UNITS } from "../forms/durations";
import type { Control } from "./Field";

interface Props {
  value: Duration;
  onChange: (value: Duration) => void;
  control: Control;
  /** What the unit belongs to, for screen readers. */
  label: string;
  placeholder?: string;
}

export function DurationInput({ value, onChange, control, label, placeholder }: Props) {
  return (
    <div className="duration">
      <input
        {...control}
        inputMode="decimal"
        autoComplete="off"
        placeholder={placeholder}
        value={value.amount}
        onChange={(event) => onChange({ ...value, amount: event.target.value })}
      />
      <select
        aria-label={`Unit of ${label}`}
        value={value.unit}
        onChange={(event) => onChange({ ...value, unit: event.target.value as Unit })}
      >
        {UNITS.map(({ unit, name }) => (
          <option key={unit} value={unit}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}
