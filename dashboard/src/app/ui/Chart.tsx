// A chart over time, drawn by uPlot, which is loaded with the first chart.
import "uplot/dist/uPlot.min.css";
import "./chart.css";

import { useEffect, useRef, useState } from "react";
import type uPlot from "uplot";

import { useStore } from "../stored";
import { theme } from "../theme";
import { axisMark, short } from "../time/format";
import { zoneChoice, zoneFor } from "../time/zone";

export interface Series {
  name: string;
  tone: "ok" | "bad" | "warn" | "odd" | "info" | "accent";
  values: readonly (number | null)[];
}

interface Props {
  /** What the chart shows, for those who cannot see it. */
  label: string;
  /** Seconds since 1970, at the beginning of each bucket. */
  times: readonly number[];
  series: readonly Series[];
  height: number;
  /** `stacks` are bars on each other, `lines` are lines. */
  kind: "stacks" | "lines";
  write: (value: number) => string;
}

const DARK = window.matchMedia("(prefers-color-scheme: dark)");
const DAY_S = 86_400;
const BAR_SHARE = 0.78;
const WIDEST_BAR_PX = 40;

export function Chart({ label, times, series, height, kind, write }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const zone = zoneFor(useStore(zoneChoice), null);
  const chosen = useStore(theme);
  const [library, setLibrary] = useState<typeof uPlot>();
  const [isDark, setDark] = useState(DARK.matches);
  const [pointed, setPointed] = useState<number | null>(null);
  useEffect(() => {
    const changed = () => setDark(DARK.matches);
    DARK.addEventListener("change", changed);
    void import("uplot").then((module) => setLibrary(() => module.default));
    return () => DARK.removeEventListener("change", changed);
  }, []);

  useEffect(() => {
    if (library === undefined || place.current === null) {
      return;
    }
    const element = place.current;
    const colour = (name: string) => resolved(element, `var(--${name === "ok" ? "ok-fill" : name})`);
    const half = times.length > 1 ? (times[1]! - times[0]!) / 2 : 30;
    const isShort = (times.at(-1) ?? 0) - (times[0] ?? 0) < 2 * DAY_S;
    const drawn = kind === "stacks" ? stacked(series) : series;
    const grid = { stroke: colour("line"), width: 1 };
    const axis = { stroke: colour("text-3"), font: `11px ${getComputedStyle(element).fontFamily}`, ticks: { show: false } };
    const plot = new library(
      {
        width: element.clientWidth,
        height,
        padding: [8, 18, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { show: kind === "lines" } },
        scales: {
          // Bars stand around their instants, so the first and the last need room.
          x: { time: true, range: (_plot, from, to) => (kind === "stacks" ? [from - half, to + half] : [from, to]) },
          y: { range: (_plot, _low, high) => [0, Math.max(high * 1.08, 0.001)] },
        },
        axes: [
          { ...axis, grid: { show: false }, size: 24, space: 64, values: (_plot, marks) => marks.map((at) => axisMark(at * 1_000, zone, isShort)) },
          { ...axis, grid, size: 56, space: 36, values: (_plot, marks) => marks.map((value) => write(value)) },
        ],
        series: [
          {},
          ...drawn.map(({ name, tone }) =>
            kind === "stacks"
              ? { label: name, fill: colour(tone), width: 0, points: { show: false }, paths: library.paths.bars!({ size: [BAR_SHARE, WIDEST_BAR_PX] }) }
              : { label: name, stroke: colour(tone), width: 1.75, spanGaps: false, points: { show: false } },
          ),
        ],
        hooks: { setCursor: [({ cursor }) => setPointed(cursor.idx ?? null)] },
      },
      [times, ...drawn.map(({ values }) => values)] as unknown as uPlot.AlignedData,
      element,
    );
    const resize = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      plot.destroy();
    };
  }, [library, times, series, height, kind, write, zone, chosen, isDark]);

  const at = pointed === null ? undefined : times[pointed];
  return (
    <figure className="chart">
      <figcaption>
        {series.map(({ name, tone, values }) => {
          const value = pointed === null ? null : (values[pointed] ?? null);
          return (
            <span key={name}>
              <i className={`chart-key chart-key-${tone}`} />
              {name}
              {value !== null && <strong> {write(value)}</strong>}
            </span>
          );
        })}
        {at !== undefined && <span className="chart-at">{short(at * 1_000, zone, Date.now())}</span>}
      </figcaption>
      <div ref={place} role="img" aria-label={label} style={{ height }} onMouseLeave={() => setPointed(null)} />
    </figure>
  );
}

/** Return the sums of each series and those before it, the highest first, because later ones are drawn over it. */
function stacked(series: readonly Series[]): Series[] {
  const sums: Series[] = [];
  for (const each of series) {
    const below = sums.at(-1)?.values;
    sums.push({ ...each, values: each.values.map((value, index) => (value ?? 0) + (below?.[index] ?? 0)) });
  }
  return sums.reverse();
}

/** Return the colour that a style means in the current theme, which a canvas does not know. */
function resolved(element: HTMLElement, style: string): string {
  element.style.color = style;
  const colour = getComputedStyle(element).color;
  element.style.color = "";
  return colour;
}
