// An instant, relative to now, with the exact one on hover and for screen readers.
import { useStore } from "../stored";
import { useNow } from "../time/clock";
import { clock, countdown, exact, relative, short } from "../time/format";
import { zoneChoice, zoneFor } from "../time/zone";

interface Props {
  at: string;
  /** The zone of the task at hand, if it has one. */
  taskZone?: string | null;
  form?: "relative" | "countdown" | "clock" | "short" | "exact";
}

export function Time({ at, taskZone = null, form = "relative" }: Props) {
  const now = useNow();
  const zone = zoneFor(useStore(zoneChoice), taskZone);
  const instant = Date.parse(at);
  const whole = exact(instant, zone);
  const text = {
    relative: () => relative(instant, now),
    countdown: () => countdown(instant, now),
    clock: () => clock(instant, zone),
    short: () => short(instant, zone, now),
    exact: () => whole,
  }[form]();
  return (
    <time className="time" dateTime={at} title={whole}>
      {text}
    </time>
  );
}
