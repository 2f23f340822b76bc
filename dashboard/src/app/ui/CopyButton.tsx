// A button that copies a text.
import { copy } from "./copy";
import { Icon } from "./icons";

export function CopyButton({ text, label }: { text: string; label: string }) {
  return (
    <button type="button" className="button button-icon" aria-label={label} title={label} onClick={() => copy(text)}>
      <Icon name="copy" />
    </button>
  );
}
