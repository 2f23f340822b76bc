// The frame of a page for administrators.
import type { ReactNode } from "react";

import { useMay } from "../../api/viewer";
import { NeedsScope } from "../../shell/NeedsScope";
import { Page } from "../../ui/Page";

interface Props {
  title: string;
  actions?: ReactNode;
  children: ReactNode;
}

export function AdminPage({ title, actions, children }: Props) {
  return (
    <Page title={title} actions={useMay("ADMIN") ? actions : undefined}>
      <NeedsScope scope="ADMIN">{children}</NeedsScope>
    </Page>
  );
}
