// The pages that the navigation links to.
import type { IconName } from "../ui/icons";

interface Destination {
  to: string;
  label: string;
  icon: IconName;
}

/** The main pages, which a phone shows at the bottom. */
export const MAIN: readonly Destination[] = [
  { to: "/", label: "Overview", icon: "overview" },
  { to: "/runs", label: "Runs", icon: "runs" },
];

/** Pages for administrators. */
export const ADMIN: readonly Destination[] = [];
