// The runs of all tasks: live as they happen, or those that are stored.
import "./runs.css";

import { getRouteApi } from "@tanstack/react-router";

import { RUN_STATES, type RunState } from "../../ui/states";
import { Page } from "../../ui/Page";
import { Segments } from "../../ui/Segments";
import { History } from "./History";
import { Live } from "./Live";

const route = getRouteApi("/runs");
const STATES = Object.keys(RUN_STATES) as RunState[];

export function Runs() {
  const { view = "live", state, troubles = false } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <Page
      title="Runs"
      className={view === "live" ? "page-fill" : ""}
      actions={
        <>
          {view === "live" ? (
            <label className="check">
              <input
                type="checkbox"
                checked={troubles}
                onChange={({ target }) => void navigate({ search: (old) => ({ ...old, troubles: target.checked || undefined }) })}
              />
              Only trouble
            </label>
          ) : (
            <label>
              <span className="visually-hidden">State</span>
              <select
                value={state ?? ""}
                onChange={({ target }) =>
                  void navigate({ search: (old) => ({ ...old, state: (target.value || undefined) as RunState | undefined }) })
                }
              >
                <option value="">All states</option>
                {STATES.map((each) => (
                  <option key={each} value={each}>
                    {RUN_STATES[each].word}
                  </option>
                ))}
              </select>
            </label>
          )}
          <Segments
            label="View"
            value={view}
            options={[
              ["live", "Live"],
              ["history", "History"],
            ]}
            onChange={(chosen) => void navigate({ search: chosen === "live" ? {} : { view: chosen } })}
          />
        </>
      }
    >
      {view === "live" ? (
        <Live key={String(troubles)} onlyTroubles={troubles} />
      ) : (
        <section className="card" aria-label="Stored runs">
          <History key={state ?? ""} filter={state === undefined ? {} : { states: [state] }} />
        </section>
      )}
    </Page>
  );
}
