// A choice of a filter, of which none may be made.
interface Props<Value extends string> {
  label: string;
  /** What stands for no choice. */
  none: string;
  value: Value | undefined;
  options: readonly (readonly [Value, string])[];
  onChange: (value: Value | undefined) => void;
}

export function FilterSelect<Value extends string>({ label, none, value, options, onChange }: Props<Value>) {
  return (
    <select aria-label={label} value={value ?? ""} onChange={({ target }) => onChange(target.value === "" ? undefined : (target.value as Value))}>
      <option value="">{none}</option>
      {options.map(([option, word]) => (
        <option key={option} value={option}>
          {word}
        </option>
      ))}
    </select>
  );
}
