// Notifications: which events go where, the places where they go, and what was sent.
import "../admin/admin.css";

import { getRouteApi } from "@tanstack/react-router";

import { Segments } from "../../ui/Segments";
import { AdminPage } from "../admin/AdminPage";
import { Channels } from "./Channels";
import { Deliveries } from "./Deliveries";
import { Rules } from "./Rules";

const route = getRouteApi("/notifications");
const VIEWS = [["rules", "Rules"], ["channels", "Channels"], ["deliveries", "Deliveries"]] as const;

export function Notifications() {
  const { view = "rules" } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <AdminPage title="Notifications" actions={<Segments label="View" value={view} options={VIEWS} onChange={(next) => void navigate({ search: { view: next } })} />}>
      {view === "rules" && <Rules onNoChannel={() => void navigate({ search: { view: "channels" } })} />}
      {view === "channels" && <Channels />}
      {view === "deliveries" && <Deliveries />}
    </AdminPage>
  );
}
