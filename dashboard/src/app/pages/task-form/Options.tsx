// A choice among policies, each explained.

interface Props<Value extends string> {
  name: string;
  legend: string;
  value: Value;
  options: readonly (readonly [value: Value, label: string, explanation: string])[];
  onChange: (value: Value) => void;
}

export function Options<Value extends string>({ name, legend, value, options, onChange }: Props<Value>) {
  return (
    <fieldset className="options">
      <legend>{legend}</legend>
      {options.map(([option, label, explanation]) => (
        <label key={option} className={option === value ? "option is-chosen" : "option"}>
          <input type="radio" name={name} checked={option === value} onChange={() => onChange(option)} />
          <span>
            <strong>{label}</strong>
            <span className="ink-2">{explanation}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
