// The pages that the navigation links to.
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
export const ADMIN: readonly Destination[] = [
  { to: "/notifications", label: "Notifications", icon: "bell", needsAdmin: true },
  { to: "/keys", label: "API keys", icon: "key", needsAdmin: true },
  { to: "/audit", label: "Audit log", icon: "book", needsAdmin: true },
  { to: "/workers", label: "Workers", icon: "server" },
  { to: "/storage", label: "Storage", icon: "database", needsAdmin: true },
];
