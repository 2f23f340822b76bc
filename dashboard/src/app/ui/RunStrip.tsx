// The last runs of a task as a strip, oldest first: a bar for each, whose height is its duration and whose colour its state.
// The bars of a colour are one path, because a list shows hundreds of them at a time.
import { useState, type PointerEvent } from "react";

import { duration } from "../time/format";
import { RUN_STATES, type RunState, type Tone } from "./states";

interface Run {
  id: string;
  state: RunState;
  durationMs: number | null;
}

const WIDTH = 4;
const GAP = 1;
const HEIGHT = 20;
const LEAST = 5;
const PLACES = 30;

export function RunStrip({ runs }: { runs: readonly Run[] }) {
  const [pointed, setPointed] = useState<Run>();
  const empty = PLACES - runs.length;

  function point({ clientX, currentTarget }: PointerEvent<SVGSVGElement>): void {
    const place = Math.floor((clientX - currentTarget.getBoundingClientRect().left) / (WIDTH + GAP));
    setPointed(runs[place - empty]);
  }

  return (
    <svg className="run-strip" width={PLACES * (WIDTH + GAP)} height={HEIGHT} role="img" aria-label={inWords(runs)} onPointerMove={point}>
      {pointed !== undefined && (
        <title>{`${RUN_STATES[pointed.state].word}${pointed.durationMs === null ? "" : `, ${duration(pointed.durationMs)}`}`}</title>
      )}
      {[...barsByTone(runs, empty)].map(([tone, path]) => (
        <path key={tone} className={`fill-${tone}`} d={path} />
      ))}
    </svg>
  );
}

/** Return the bars of each tone as a path. */
function barsByTone(runs: readonly Run[], empty: number): Map<Tone, string> {
  const longest = Math.max(1, ...runs.map(({ durationMs }) => durationMs ?? 0));
  const paths = new Map<Tone, string>();
  runs.forEach(({ state, durationMs }, index) => {
    const { tone } = RUN_STATES[state];
    const share = Math.log1p(durationMs ?? 0) / Math.log1p(longest);
    const height = state === "SUCCEEDED" ? Math.round(LEAST + share * (HEIGHT - LEAST) * 0.75) : HEIGHT;
    paths.set(tone, `${paths.get(tone) ?? ""}M${(empty + index) * (WIDTH + GAP)} ${HEIGHT}v-${height}h${WIDTH}v${height}z`);
  });
  return paths;
}

function inWords(runs: readonly Run[]): string {
  if (runs.length === 0) {
    return "No runs yet";
  }
  const counts = new Map<RunState, number>();
  runs.forEach(({ state }) => counts.set(state, (counts.get(state) ?? 0) + 1));
  return `Last ${runs.length} runs: ${[...counts].map(([state, number]) => `${number} ${RUN_STATES[state].word.toLowerCase()}`).join(", ")}`;
}
