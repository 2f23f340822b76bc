// A question before something that is not easily undone.
import { useState, type ReactNode } from "react";

import { Dialog } from "./Dialog";

interface Props {
  title: string;
  /** What the button does, such as "Revoke". */
  action: string;
  /** Whether the action takes something away for good. */
  danger?: boolean;
  children: ReactNode;
  /** Does it; the dialog closes when that is over. */
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}

export function Confirm({ title, action, danger = true, children, onConfirm, onClose }: Props) {
  const [isBusy, setBusy] = useState(false);
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <div className="dialog-actions">
        <button type="button" className="button" autoFocus onClick={onClose}>
          Back
        </button>
        <button
          type="button"
          className={`button ${danger ? "button-danger" : "button-main"}`}
          disabled={isBusy}
          onClick={() => {
            setBusy(true);
            void onConfirm().finally(onClose);
          }}
        >
          {action}
        </button>
      </div>
    </Dialog>
  );
}
