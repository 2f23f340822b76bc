// The box that selects a row, or all rows. On a phone, what can be touched is larger than the box.
interface Props {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}

export function RowCheck({ label, checked, onChange }: Props) {
  return (
    <label className="row-check">
      <input type="checkbox" aria-label={label} checked={checked} onChange={({ target }) => onChange(target.checked)} />
    </label>
  );
}
