// The menu of what can be done to everything that a filter selects.
import { useState } from "react";

import { Icon } from "../ui/icons";
import { Menu, MenuItem } from "../ui/Menu";
import { BulkDialog } from "./BulkDialog";
import { ACTIONS, type BulkAction, type Selected } from "./operations";

export interface BulkChoice {
  action: BulkAction;
  selected: Selected;
  /** What it is done to, such as "all that match". */
  words: string;
}

interface Props {
  /** What all are, such as "tasks". */
  all: string;
  choices: readonly BulkChoice[];
  /** Called when something may have been changed. */
  onChange: () => void;
}

export function BulkMenu({ all, choices, onChange }: Props) {
  const [chosen, setChosen] = useState<BulkChoice | null>(null);
  return (
    <>
      <Menu
        trigger={
          <button type="button" className="button" aria-label={`Change all ${all}`}>
            Change all
            <Icon name="down" />
          </button>
        }
      >
        {choices.map((choice) => (
          <MenuItem key={choice.action} icon={ACTIONS[choice.action].icon} danger={choice.action === "DELETE"} onSelect={() => setChosen(choice)}>
            {ACTIONS[choice.action].verb} {choice.words} …
          </MenuItem>
        ))}
      </Menu>
      {chosen !== null && (
        <BulkDialog
          action={chosen.action}
          selected={chosen.selected}
          onClose={() => {
            setChosen(null);
            onChange();
          }}
        />
      )}
    </>
  );
}
