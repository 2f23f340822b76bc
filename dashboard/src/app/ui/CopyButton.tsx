// A button that copies a text.
import { toast } from "./Toasts";
import { Icon } from "./icons";

export function CopyButton({ text, label }: { text: string; label: string }) {
  return (
    <button
      type="button"
      className="button button-icon"
      aria-label={label}
      title={label}
      onClick={() => {
        navigator.clipboard.writeText(text).then(
          () => toast("Copied."),
          () => toast("The browser does not allow copying here.", { tone: "bad" }),
        );
      }}
    >
      <Icon name="copy" />
    </button>
  );
}
