// Content for those whose key has a scope. Others are told what they need.
import type { ReactNode } from "react";

import { type Scope, useMay, useViewer } from "../api/viewer";
import { Empty } from "../ui/feedback";

export function NeedsScope({ scope, children }: { scope: Scope; children: ReactNode }) {
  const viewer = useViewer();
  const may = useMay(scope);
  if (may || viewer === undefined) {
    return may ? children : null;
  }
  return (
    <Empty icon="key" title={`This page needs an API key with the scope ${scope.toLowerCase()}.`}>
      <p>
        Yours, {viewer.keyName}, has the scope {viewer.scope.toLowerCase()}.
      </p>
    </Empty>
  );
}
