// The runs of all tasks: live as they happen, or those that are stored.
import "../../bulk/bulk.css";
import "./runs.css";

import { getRouteApi } from "@tanstack/react-router";

import { Page } from "../../ui/Page";
import { Segments } from "../../ui/Segments";
import type { RunsSearch } from "./filter";
import { Live } from "./Live";
import { Stored } from "./Stored";

const route = getRouteApi("/runs");
const VIEWS = [["live", "Live"], ["history", "History"]] as const;

export function Runs() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { view = "live", troubles = false } = search;
  const change = (changes: RunsSearch) => void navigate({ search: (old) => ({ ...old, ...changes }), replace: true });
  return (
    <Page
      title="Runs"
      className={view === "live" ? "page-fill" : ""}
      actions={
        <>
          {view === "live" && (
            <label className="check">
              <input type="checkbox" checked={troubles} onChange={({ target }) => change({ troubles: target.checked || undefined })} />
              Only problems
            </label>
          )}
          <Segments
            label="View"
            value={view}
            options={VIEWS}
            onChange={(chosen) => void navigate({ search: chosen === "live" ? {} : { view: chosen } })}
          />
        </>
      }
    >
      {view === "live" ? <Live key={String(troubles)} onlyTroubles={troubles} /> : <Stored search={search} onChange={change} />}
    </Page>
  );
}
