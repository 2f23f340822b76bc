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

/** Return a duration in words, with its two largest units: "1 hour 30 minutes". */
export function inWords(ms: number): string {
  const parts: string[] = [];
  let rest = Math.round(ms >= 10_000 ? Math.round(ms / 1_000) * 1_000 : ms >= 1_000 ? Math.round(ms / 100) * 100 : ms);
  if (rest > 0 && rest < 60_000 && rest >= 1_000) {
    return counted(rest / 1_000, "second");
  }
  for (const { ms: size, name } of UNITS.toReversed()) {
    const count = Math.floor(rest / size);
    if (count > 0 && parts.length < 2) {
      parts.push(counted(count, name.slice(0, -1)));
    }
    rest -= count * size;
  }
  return parts.join(" ") || "0 seconds";
}

function counted(count: number, name: string): string {
  return `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;
}
