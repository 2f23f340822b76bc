// The button that begins something new.
import { Icon } from "./icons";

export function NewButton({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button type="button" className="button button-main" onClick={onClick}>
      <Icon name="plus" />
      {label}
    </button>
  );
}
