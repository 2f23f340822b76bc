// The pages that the navigation links to.
import { useMay } from "../api/viewer";
import type { IconName } from "../ui/icons";

interface Destination {
  to: string;
  label: string;
  icon: IconName;
  /** Whether the page needs a key with the scope admin. */
  needsAdmin?: boolean;
}

/** The main pages, which a phone shows at the bottom. */
export const MAIN: readonly Destination[] = [
  { to: "/", label: "Overview", icon: "overview" },
  { to: "/tasks", label: "Tasks", icon: "tasks" },
  { to: "/runs", label: "Runs", icon: "runs" },
];

/** Pages for administrators. */
const ADMIN: readonly Destination[] = [
  { to: "/notifications", label: "Notifications", icon: "bell", needsAdmin: true },
  { to: "/limits", label: "Limits", icon: "gauge", needsAdmin: true },
  { to: "/keys", label: "API keys", icon: "key", needsAdmin: true },
  { to: "/audit", label: "Audit log", icon: "book", needsAdmin: true },
  { to: "/workers", label: "Workers", icon: "server" },
  { to: "/storage", label: "Storage", icon: "database", needsAdmin: true },
];

/** Return the pages for administrators that the reader's key may see. */
export function useAdministration(): readonly Destination[] {
  const isAdmin = useMay("ADMIN");
  return ADMIN.filter(({ needsAdmin = false }) => isAdmin || !needsAdmin);
}
