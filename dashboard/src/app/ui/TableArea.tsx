// A table that scrolls sideways where the window is narrow, also by keyboard.
import type { ReactNode } from "react";

export function TableArea({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="table-area" role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}
