// A modal dialog: the browser's own, which keeps the focus inside, closes on Escape, and gives the focus back.
import { useEffect, useId, useRef, type ReactNode } from "react";

import { Icon } from "./icons";

interface Props {
  title: string;
  /** Null if the dialog has no button to close it and does not close on Escape. */
  onClose: (() => void) | null;
  children: ReactNode;
  className?: string;
}

/** A dialog that is open while it is rendered. */
export function Dialog({ title, onClose, children, className = "" }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = element.current!;
    if (!dialog.open) {
      dialog.showModal();
    }
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={element}
      className={`dialog ${className}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
      onMouseDown={(event) => {
        if (event.target === element.current) {
          onClose?.();
        }
      }}
    >
      <div className="dialog-body">
        <header className="dialog-head">
          <h2 id={heading}>{title}</h2>
          {onClose !== null && (
            <button type="button" className="button button-icon" aria-label="Close" onClick={onClose}>
              <Icon name="cross" />
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}
