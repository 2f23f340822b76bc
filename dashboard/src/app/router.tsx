// The pages by their addresses. Each page is loaded when it is first opened.
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Link,
  type ErrorComponentProps,
} from "@tanstack/react-router";

import { service } from "./address";
import { validateRunsSearch } from "./pages/runs/filter";
import { validateTasksSearch } from "./pages/tasks/filter";
import { Shell } from "./shell/Shell";
import { Empty, ErrorNote } from "./ui/feedback";
import { Page } from "./ui/Page";

const root = createRootRoute({ component: Shell });

const overview = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/overview/Overview"), "Overview"),
});

const runs = createRoute({
  getParentRoute: () => root,
  path: "/runs",
  validateSearch: validateRunsSearch,
  component: lazyRouteComponent(() => import("./pages/runs/Runs"), "Runs"),
});

const run = createRoute({
  getParentRoute: () => root,
  path: "/runs/$runId",
  component: lazyRouteComponent(() => import("./pages/run/Run"), "Run"),
});

const tasks = createRoute({
  getParentRoute: () => root,
  path: "/tasks",
  validateSearch: validateTasksSearch,
  component: lazyRouteComponent(() => import("./pages/tasks/Tasks"), "Tasks"),
});

const task = createRoute({
  getParentRoute: () => root,
  path: "/tasks/$taskId",
  component: lazyRouteComponent(() => import("./pages/task/Task"), "Task"),
});

const newTask = createRoute({
  getParentRoute: () => root,
  path: "/tasks/new",
  /** The id of the task that the new one is like. */
  validateSearch: ({ from }: Record<string, unknown>): { from?: string } => (typeof from === "string" ? { from } : {}),
  component: lazyRouteComponent(() => import("./pages/task-form/NewTask"), "NewTask"),
});

const editTask = createRoute({
  getParentRoute: () => root,
  path: "/tasks/$taskId/edit",
  component: lazyRouteComponent(() => import("./pages/task-form/EditTask"), "EditTask"),
});

interface AuditSearch {
  action?: string;
  keyName?: string;
  taskId?: string;
}

const audit = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  validateSearch: ({ action, keyName, taskId }: Record<string, unknown>): AuditSearch => ({
    ...(typeof action === "string" ? { action } : {}),
    ...(typeof keyName === "string" ? { keyName } : {}),
    ...(typeof taskId === "string" ? { taskId } : {}),
  }),
  component: lazyRouteComponent(() => import("./pages/admin/Audit"), "Audit"),
});

const keys = createRoute({
  getParentRoute: () => root,
  path: "/keys",
  component: lazyRouteComponent(() => import("./pages/admin/Keys"), "Keys"),
});

const limits = createRoute({
  getParentRoute: () => root,
  path: "/limits",
  component: lazyRouteComponent(() => import("./pages/admin/Limits"), "Limits"),
});

const NOTIFICATION_VIEWS = ["rules", "channels", "deliveries"] as const;

const notifications = createRoute({
  getParentRoute: () => root,
  path: "/notifications",
  validateSearch: ({ view }: Record<string, unknown>): { view?: (typeof NOTIFICATION_VIEWS)[number] } => {
    const known = NOTIFICATION_VIEWS.find((each) => each === view);
    return known === undefined ? {} : { view: known };
  },
  component: lazyRouteComponent(() => import("./pages/notifications/Notifications"), "Notifications"),
});

const workers = createRoute({
  getParentRoute: () => root,
  path: "/workers",
  component: lazyRouteComponent(() => import("./pages/admin/Workers"), "Workers"),
});

const storage = createRoute({
  getParentRoute: () => root,
  path: "/storage",
  component: lazyRouteComponent(() => import("./pages/admin/Storage"), "Storage"),
});

function NotFound() {
  return (
    <Page title="Nothing here">
      <Empty icon="question" title="There is no page at this address.">
        <Link to="/" className="button">
          Go to the overview
        </Link>
      </Empty>
    </Page>
  );
}

function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <Page title="Something went wrong">
      <ErrorNote error={error instanceof Error ? error : new Error(String(error))} retry={reset} />
    </Page>
  );
}

export const router = createRouter({
  routeTree: root.addChildren([overview, tasks, task, newTask, editTask, runs, run, notifications, limits, audit, keys, workers, storage]),
  basepath: service.pathname,
  defaultPreload: "intent",
  scrollRestoration: true,
  defaultNotFoundComponent: NotFound,
  defaultErrorComponent: Broken,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
