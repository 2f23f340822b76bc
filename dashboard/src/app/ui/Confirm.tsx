// A question before something that cannot be undone.
import { useState, type ReactNode } from "react";

import { Dialog } from "./Dialog";

interface Props {
  title: string;
  /** What the button does, such as "Revoke". */
  action: string;
  children: ReactNode;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

export function Confirm({ title, action, children, onConfirm, onClose }: Props) {
  const [isBusy, setBusy] = useState(false);
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <div className="dialog-actions">
        <button type="button" className="button" autoFocus onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          className="button button-danger"
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
