// What was refused of a form: beside its fields, and as a summary.
import { useState, type RefObject } from "react";

import { place, type Problem } from "../forms/problems";
import { useControls } from "./Field";
import type { ListedProblem } from "./ProblemSummary";

/** Why a form was not saved: problems of its input, or a message when there is another reason. */
export type Refusal = { problems: readonly Problem[]; message?: undefined } | { message: string; problems?: undefined };

export interface Refused {
  controls: RefObject<Map<string, string>>;
  problems: ReadonlyMap<string, readonly string[]>;
  summary: readonly ListedProblem[];
  /** Changes with each refusal. */
  attempt: number;
  refuse: (refusal: Refusal) => void;
  /** Forget the problems of one field, or all. */
  clear: (field?: string) => void;
}

const NONE: ReadonlyMap<string, readonly string[]> = new Map();

/** Return the state of refusals. `labelOf` returns the name of a field for people. */
export function useRefusal(labelOf: (field: string) => string): Refused {
  const controls = useControls();
  const [problems, setProblems] = useState(NONE);
  const [summary, setSummary] = useState<readonly ListedProblem[]>([]);
  const [attempt, setAttempt] = useState(0);
  return {
    controls,
    problems,
    summary,
    attempt,
    refuse({ problems: refused, message }) {
      const { byField, elsewhere } = place(refused ?? [], [...controls.current.keys()]);
      setProblems(byField);
      setSummary([
        ...[message ?? [], elsewhere].flat().map((each) => ({ control: null, label: "", message: each })),
        ...[...byField].map(([field, messages]) => ({
          control: controls.current.get(field) ?? null,
          label: labelOf(field),
          message: messages.join(" "),
        })),
      ]);
      setAttempt((before) => before + 1);
    },
    clear(field) {
      if (field === undefined) {
        setProblems(NONE);
        setSummary([]);
      } else if (problems.has(field)) {
        setProblems(new Map([...problems].filter(([each]) => each !== field)));
      }
    },
  };
}
