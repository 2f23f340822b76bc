// What the service refused, in one place: it gets the focus, and leads to the fields.
import { useEffect, useRef } from "react";

import { focusControl } from "./Field";
import { Icon } from "./icons";

export interface ListedProblem {
  /** The id of the control; null for what belongs to no field. */
  control: string | null;
  label: string;
  message: string;
}

/** A list of problems. `attempt` is a number that changes with each refusal, which moves the focus here again. */
export function ProblemSummary({ problems, attempt }: { problems: readonly ListedProblem[]; attempt: number }) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => element.current?.focus(), [attempt]);
  // A service that does not answer, for instance, is nothing that the form could change.
  const isOfFields = problems.some(({ control }) => control !== null);
  return (
    <div ref={element} className="note note-bad problem-summary" role="alert" tabIndex={-1}>
      <Icon name="alert" />
      <div>
        {isOfFields && <p>{problems.length === 1 ? "One thing needs a change:" : `${problems.length} things need a change:`}</p>}
        <ul>
          {problems.map(({ control, label, message }, index) => (
            <li key={index}>
              {control === null ? (
                message
              ) : (
                <>
                  <button type="button" className="link" onClick={() => focusControl(control)}>
                    {label}
                  </button>
                  : {message}
                </>
              )}
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
