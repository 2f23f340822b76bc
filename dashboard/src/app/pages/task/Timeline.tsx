// The last runs along time: a mark for each, higher for a longer duration, with a shape and a colour for its state.
import { useNavigate } from "@tanstack/react-router";

import { useStore } from "../../stored";
import { duration, exact, short } from "../../time/format";
import { zoneChoice, zoneFor } from "../../time/zone";
import { useNarrow } from "../../ui/narrow";
import { RUN_STATES, type RunState } from "../../ui/states";

interface Props {
  runs: readonly { id: string; state: RunState; scheduledFor: string; durationMs: number | null }[];
  zone: string | null;
}

const WIDTH = 1_000;
const HEIGHT = 96;
const FLOOR = 84;
const CEILING = 10;

/** As many as a phone shows apart. */
const MOST_NARROW = 50;

export function Timeline({ runs: all, zone }: Props) {
  const navigate = useNavigate();
  const runs = useNarrow() ? all.slice(-MOST_NARROW) : all;
  const written = zoneFor(useStore(zoneChoice), zone);
  if (runs.length < 2) {
    return null;
  }
  const from = Date.parse(runs[0]!.scheduledFor);
  const to = Math.max(Date.parse(runs.at(-1)!.scheduledFor), from + 1);
  const longest = Math.max(1, ...runs.map(({ durationMs }) => durationMs ?? 0));
  return (
    <figure className="timeline">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`The last ${runs.length} runs by their duration`}>
        <line className="timeline-floor" x1={0} x2={WIDTH} y1={FLOOR} y2={FLOOR} vectorEffect="non-scaling-stroke" />
        {runs.map(({ id, state, scheduledFor, durationMs }) => {
          const x = 8 + ((Date.parse(scheduledFor) - from) / (to - from)) * (WIDTH - 16);
          const y = FLOOR - (Math.log1p(durationMs ?? 0) / Math.log1p(longest)) * (FLOOR - CEILING);
          return (
            <g key={id} className={`timeline-run ink-tone-${RUN_STATES[state].tone}`} onClick={() => void navigate({ to: "/runs/$runId", params: { runId: id } })}>
              <line x1={x} x2={x} y1={FLOOR} y2={y} vectorEffect="non-scaling-stroke" className={state === "SUCCEEDED" ? "" : "is-thick"} />
              <rect x={x - 5} y={0} width={10} height={HEIGHT} className="timeline-hit" />
              <title>{`${RUN_STATES[state].word}${durationMs === null ? "" : ` in ${duration(durationMs)}`}, ${exact(Date.parse(scheduledFor), written)}`}</title>
            </g>
          );
        })}
      </svg>
      <figcaption>
        <span>{short(from, written, to)}</span>
        <span>
          the last {runs.length}, at most {duration(longest)}
        </span>
        <span>{short(to, written, Date.now())}</span>
      </figcaption>
    </figure>
  );
}
