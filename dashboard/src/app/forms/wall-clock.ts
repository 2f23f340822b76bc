// Wall clocks of time zones, by the browser's own data: what <input type="datetime-local"> holds, and the instants it stands for.

export interface Reading {
  /** The instant by RFC 3339, in UTC. */
  instant: string;
  /** "repeated" when the clock shows the time twice, of which this is the first; "skipped" when it is put forward over the time. */
  note: "repeated" | "skipped" | null;
}

const LOCAL = /^(\d{4,5})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?$/;
const DAY_MS = 86_400_000;

const formats = new Map<string, Intl.DateTimeFormat>();

function formatFor(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-u-ca-iso8601-nu-latn", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
    });
    formats.set(zone, format);
  }
  return format;
}

/** Return what the wall clock of a zone shows at an instant, as milliseconds of a clock without a zone. */
function shown(instant: number, zone: string): number {
  const parts = Object.fromEntries(formatFor(zone).formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  const time = Date.UTC(parts["year"]!, parts["month"]! - 1, parts["day"]!, parts["hour"]!, parts["minute"]!, parts["second"]!);
  return time + (((instant % 1_000) + 1_000) % 1_000);
}

/** Return the instant at which the wall clock of a zone shows a local time; null if the text is no local time. */
export function toInstant(local: string, zone: string): Reading | null {
  const match = LOCAL.exec(local);
  if (match === null) {
    return null;
  }
  const [year, month, day, hour, minute, second, millisecond] = match.slice(1).map((part) => Number(part ?? 0));
  const wanted = Date.UTC(year!, month! - 1, day!, hour!, minute!, second!, millisecond!);
  // The offsets of the day before and of the day after are those on both sides of a change of the clock.
  const [before, after] = [wanted - DAY_MS, wanted + DAY_MS].map((near) => shown(near, zone) - near) as [number, number];
  const found = [...new Set([before, after])].map((offset) => wanted - offset).filter((instant) => shown(instant, zone) === wanted);
  const instant = found.length > 0 ? Math.min(...found) : wanted - before;
  return {
    instant: new Date(instant).toISOString(),
    note: found.length > 1 ? "repeated" : found.length === 0 ? "skipped" : null,
  };
}

/** Return what the wall clock of a zone shows at an instant, to the minute, or to the second where that is not 0. */
export function toLocal(instant: string, zone: string): string {
  const local = new Date(shown(Date.parse(instant), zone)).toISOString().slice(0, -1);
  return local.replace(/\.000$/, "").replace(/:00$/, "");
}
