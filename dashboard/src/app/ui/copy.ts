// The clipboard.
import { toast } from "./Toasts";

/** Copy a text, with a message about it. Browsers refuse it where the connection is not secure. */
export function copy(text: string): void {
  const refused = (): void => toast("The browser allows copying only over HTTPS and on this machine. Select the text instead.", { tone: "bad" });
  if (navigator.clipboard === undefined) {
    refused();
  } else {
    navigator.clipboard.writeText(text).then(() => toast("Copied."), refused);
  }
}
