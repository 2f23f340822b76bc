// Durations as people enter them: an amount and a unit. The API has milliseconds.

export type Unit = "ms" | "s" | "min" | "h" | "d";

export interface Duration {
  /** As it was typed; "" for none. */
  amount: string;
  unit: Unit;
}

export const UNITS: readonly { unit: Unit; ms: number; name: string }[] = [
  { unit: "ms", ms: 1, name: "milliseconds" },
  { unit: "s", ms: 1_000, name: "seconds" },
  { unit: "min", ms: 60_000, name: "minutes" },
  { unit: "h", ms: 3_600_000, name: "hours" },
  { unit: "d", ms: 86_400_000, name: "days" },
];

/** Return a duration in the largest unit that needs no fraction. */
export function fromMs(ms: number | null, unit: Unit = "s"): Duration {
  if (ms === null) {
    return { amount: "", unit };
  }
  const fitting = ms === 0 ? undefined : UNITS.findLast((each) => ms % each.ms === 0);
  return fitting === undefined ? { amount: String(ms), unit } : { amount: String(ms / fitting.ms), unit: fitting.unit };
}

/** Return the milliseconds of a duration, rounded; null if nothing was entered, and NaN if it is no number of 0 or more. */
export function toMs({ amount, unit }: Duration): number | null {
  const text = amount.trim().replace(",", ".");
  if (text === "") {
    return null;
  }
  return /^\d+(\.\d+)?$/.test(text) ? Math.round(Number(text) * UNITS.find((each) => each.unit === unit)!.ms) : NaN;
}
