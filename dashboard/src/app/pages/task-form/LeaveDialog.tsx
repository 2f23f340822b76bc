// Leaving a form with changes asks first.
import { useBlocker } from "@tanstack/react-router";

import { DialogForm } from "../../ui/DialogForm";

/** Ask before the page is left while there are changes. `mayLeave` is consulted at that moment. */
export function LeaveDialog({ mayLeave }: { mayLeave: () => boolean }) {
  const blocker = useBlocker({ shouldBlockFn: () => !mayLeave(), enableBeforeUnload: () => !mayLeave(), withResolver: true });
  if (blocker.status !== "blocked") {
    return null;
  }
  const { proceed, reset } = blocker;
  return (
    <DialogForm
      title="Leave without saving?"
      action="Leave"
      back="Stay"
      danger
      onSave={() => {
        proceed();
        return null;
      }}
      onClose={reset}
    >
      <p>Your changes in this form would be lost.</p>
    </DialogForm>
  );
}
