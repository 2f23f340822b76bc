// The links of the navigation.
import { Link } from "@tanstack/react-router";

import { service } from "../address";
import { Icon } from "../ui/icons";
import type { MAIN } from "./navigation";

export function Destination({ to, label, icon }: (typeof MAIN)[number]) {
  return (
    <li>
      <Link to={to} className="nav-link" activeOptions={{ exact: to === "/", includeSearch: false }}>
        <Icon name={icon} />
        {label}
      </Link>
    </li>
  );
}

/** Links to the pages that are no part of the dashboard. */
export function OtherPages() {
  return (
    <p className="other-pages">
      <a href={new URL("graphql", service).href}>GraphQL</a>
      <a href={new URL("swagger/index.html", service).href}>REST</a>
    </p>
  );
}
