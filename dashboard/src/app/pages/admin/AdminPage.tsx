// The frame of a page for administrators. Who is none is told so.
import type { ReactNode } from "react";

import { useMay, useViewer } from "../../api/viewer";
import { Empty } from "../../ui/feedback";
import { Page } from "../../ui/Page";

interface Props {
  title: string;
  actions?: ReactNode;
  children: ReactNode;
}

export function AdminPage({ title, actions, children }: Props) {
  const viewer = useViewer();
  const mayRead = useMay("ADMIN");
  return (
    <Page title={title} actions={mayRead ? actions : undefined}>
      {mayRead ? (
        children
      ) : (
        viewer !== undefined && (
          <Empty icon="key" title="This page needs an API key with the scope admin.">
            <p>Yours, {viewer.keyName}, has the scope {viewer.scope.toLowerCase()}.</p>
          </Empty>
        )
      )}
    </Page>
  );
}
