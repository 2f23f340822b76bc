// The runs that are stored: filters, which stand in the address, and what can be done to those that match or are selected.
import { useEffect, useState } from "react";

import { useMay } from "../../api/viewer";
import { BulkMenu } from "../../bulk/BulkMenu";
import { Running } from "../../bulk/Running";
import { Selection } from "../../bulk/Selection";
import { bulkChoices, SELECTION_ACTIONS } from "./actions";
import { runFilterOf, type RunsSearch } from "./filter";
import { Filters } from "./Filters";
import { History } from "./History";

interface Props {
  search: RunsSearch;
  onChange: (changes: RunsSearch) => void;
}

export function Stored({ search, onChange }: Props) {
  const mayWrite = useMay("WRITE");
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  /** Changes when runs were changed, so that the list is read again. */
  const [round, setRound] = useState(0);
  const filter = runFilterOf(search);
  const key = JSON.stringify(filter);
  useEffect(() => setSelected(new Set()), [key]);
  const again = (): void => setRound((before) => before + 1);
  return (
    <>
      <Running noun="run" />
      <section className="card" aria-label="Stored runs">
        <Filters search={search} onChange={onChange}>
          {mayWrite && <BulkMenu all={Object.keys(filter).length > 0 ? "that match" : "runs"} choices={bulkChoices(filter)} onChange={again} />}
        </Filters>
        {selected.size > 0 && <Selection noun="run" ids={selected} actions={SELECTION_ACTIONS} onDone={again} onClear={() => setSelected(new Set())} />}
        <History key={`${key} ${round}`} filter={filter} selection={mayWrite ? { ids: selected, onChange: setSelected } : null} />
      </section>
    </>
  );
}
