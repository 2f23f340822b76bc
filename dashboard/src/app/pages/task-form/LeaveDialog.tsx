// Leaving a form with changes asks first.
import { useBlocker } from "@tanstack/react-router";

import { Dialog } from "../../ui/Dialog";

/** Ask before the page is left while there are changes. `mayLeave` is consulted at that moment. */
export function LeaveDialog({ mayLeave }: { mayLeave: () => boolean }) {
  const blocker = useBlocker({ shouldBlockFn: () => !mayLeave(), enableBeforeUnload: () => !mayLeave(), withResolver: true });
  if (blocker.status !== "blocked") {
    return null;
  }
  return (
    <Dialog title="Leave without saving?" onClose={blocker.reset}>
      <p>Your changes in this form would be lost.</p>
      <div className="dialog-actions">
        <button type="button" className="button" onClick={blocker.proceed}>
          Leave
        </button>
        <button type="button" className="button button-main" autoFocus onClick={blocker.reset}>
          Stay
        </button>
      </div>
    </Dialog>
  );
}
