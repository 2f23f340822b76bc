// Times, durations and numbers in words.
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Units for a distance in time: the unit is used up to the limit. */
const UNITS: readonly [limit: number, unit: number, name: string][] = [
  [MINUTE, SECOND, "s"],
  [HOUR, MINUTE, "min"],
  [DAY, HOUR, "h"],
  [60 * DAY, DAY, "d"],
  [730 * DAY, 30.44 * DAY, "mo"],
  [Infinity, 365.25 * DAY, "y"],
];

/** Return an instant relative to now, such as "in 5 min" or "3 h ago". */
export function relative(at: number, now: number): string {
  const distance = Math.abs(at - now);
  if (distance < 1_500) {
    return "now";
  }
  const [, unit, name] = UNITS.find(([limit]) => distance < limit)!;
  const text = `${Math.floor(distance / unit)} ${name}`;
  return at > now ? `in ${text}` : `${text} ago`;
}

/** Return the time that is left, such as "12 s" or "2 h 05 min". */
export function countdown(at: number, now: number): string {
  const left = at - now;
  if (left <= 0) {
    return "due";
  }
  if (left < MINUTE) {
    return `${Math.ceil(left / SECOND)} s`;
  }
  if (left < HOUR) {
    return `${Math.floor(left / MINUTE)} min ${padded(Math.floor((left % MINUTE) / SECOND))} s`;
  }
  if (left < DAY) {
    return `${Math.floor(left / HOUR)} h ${padded(Math.floor((left % HOUR) / MINUTE))} min`;
  }
  return `${Math.floor(left / DAY)} d ${Math.floor((left % DAY) / HOUR)} h`;
}

/** Return a duration, such as "340 ms", "2.4 s" or "3 min 20 s". */
export function duration(milliseconds: number): string {
  if (milliseconds < SECOND) {
    return `${Math.round(milliseconds)} ms`;
  }
  if (milliseconds < 10 * SECOND) {
    return `${(milliseconds / SECOND).toFixed(1).replace(".0", "")} s`;
  }
  const parts: readonly [number, string][] = [
    [Math.floor(milliseconds / DAY), "d"],
    [Math.floor((milliseconds % DAY) / HOUR), "h"],
    [Math.floor((milliseconds % HOUR) / MINUTE), "min"],
    [Math.floor((milliseconds % MINUTE) / SECOND), "s"],
  ];
  return parts
    .filter(([count]) => count > 0)
    .slice(0, 2)
    .map(([count, name]) => `${count} ${name}`)
    .join(" ");
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, options: Intl.DateTimeFormatOptions, name: string): Intl.DateTimeFormat {
  const key = `${name} ${zone}`;
  let found = formats.get(key);
  if (found === undefined) {
    found = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
    formats.set(key, found);
  }
  return found;
}

/** Return an instant with seconds and its zone, such as "Sat 28 Nov 2026, 14:32:07 GMT+1". */
export function exact(at: number, zone: string): string {
  return format(
    zone,
    {
      weekday: "short",
      day: "numeric",
      month: "short",
      year: "numeric",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      timeZoneName: "short",
    },
    "exact",
  ).format(at);
}

/** Return the time of day with seconds, such as "14:32:07". */
export function clock(at: number, zone: string): string {
  return format(zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" }, "clock").format(at);
}

/** Return an instant shortly: its time, and its day unless that is today. */
export function short(at: number, zone: string, now: number): string {
  const day = format(zone, { day: "numeric", month: "short" }, "day");
  const time = format(zone, { hour: "2-digit", minute: "2-digit" }, "time").format(at);
  return day.format(at) === day.format(now) && Math.abs(at - now) < DAY ? time : `${day.format(at)}, ${time}`;
}

/** Return an instant for the axis of a chart: the time of day, or the day at its beginning and on a long axis. */
export function axisMark(at: number, zone: string, isShort: boolean): string {
  const time = format(zone, { hour: "2-digit", minute: "2-digit" }, "time").format(at);
  return isShort && time !== "00:00" ? time : format(zone, { day: "numeric", month: "short" }, "day").format(at);
}

/** Return a number with separators, such as "12,480". */
export function count(value: number): string {
  return value.toLocaleString("en");
}

/** Return a number shortly, such as "12.5k". */
export function compact(value: number): string {
  return value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 });
}

/** Return a share with as many digits as tell 99.95 from 100. */
export function percent(value: number): string {
  return value === 100 || value === 0 ? String(value) : value.toFixed(value > 99 ? 2 : 1);
}

function padded(value: number): string {
  return String(value).padStart(2, "0");
}
