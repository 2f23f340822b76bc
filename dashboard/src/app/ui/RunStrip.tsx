// The last runs of a task as a strip, oldest first: a bar for each, whose height is its duration and whose colour its state.
import { duration } from "../time/format";
import { RUN_STATES, type RunState } from "./states";

interface Props {
  runs: readonly { id: string; state: RunState; durationMs: number | null }[];
}

const WIDTH = 4;
const GAP = 1;
const HEIGHT = 20;
const LEAST = 5;
const PLACES = 30;

export function RunStrip({ runs }: Props) {
  const longest = Math.max(1, ...runs.map(({ durationMs }) => durationMs ?? 0));
  const counts = new Map<RunState, number>();
  runs.forEach(({ state }) => counts.set(state, (counts.get(state) ?? 0) + 1));
  const words = [...counts].map(([state, number]) => `${number} ${RUN_STATES[state].word.toLowerCase()}`).join(", ");
  return (
    <svg
      className="run-strip"
      width={PLACES * (WIDTH + GAP)}
      height={HEIGHT}
      role="img"
      aria-label={runs.length === 0 ? "No runs yet" : `Last ${runs.length} runs: ${words}`}
    >
      {runs.map(({ id, state, durationMs }, index) => {
        const share = Math.log1p(durationMs ?? 0) / Math.log1p(longest);
        const height = state === "SUCCEEDED" ? LEAST + share * (HEIGHT - LEAST) * 0.75 : HEIGHT;
        return (
          <rect
            key={id}
            className={`fill-${RUN_STATES[state].tone}`}
            x={(PLACES - runs.length + index) * (WIDTH + GAP)}
            y={HEIGHT - height}
            width={WIDTH}
            height={height}
            rx={1}
          >
            <title>{`${RUN_STATES[state].word}${durationMs === null ? "" : `, ${duration(durationMs)}`}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}
