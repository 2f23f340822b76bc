// The cron expressions that people build by choosing. All others are custom: the server says in words what they mean.

export type Cron =
  | { kind: "minutes"; every: number }
  | { kind: "hourly"; minute: number }
  | { kind: "daily"; hour: number; minute: number }
  | { kind: "weekdays"; hour: number; minute: number }
  | { kind: "weekly"; days: number[]; hour: number; minute: number }
  | { kind: "monthly"; day: number; hour: number; minute: number }
  | { kind: "lastDay"; hour: number; minute: number }
  | { kind: "nthWeekday"; nth: Nth; day: number; hour: number; minute: number }
  | { kind: "custom"; expression: string };

export type CronKind = Cron["kind"];
export type Nth = 1 | 2 | 3 | 4 | 5 | "last";

/** Weekdays as cron counts them, from Sunday. */
export const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** Minutes that divide an hour. With others, the last step of each hour is shorter. */
export const STEPS = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];

const SHORT_DAYS = WEEKDAYS.map((day) => day.slice(0, 3).toLowerCase());
const MACROS: Record<string, string> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
};
const MONDAY_TO_FRIDAY = [1, 2, 3, 4, 5];

/** Return the expression of a schedule. */
export function toExpression(cron: Cron): string {
  switch (cron.kind) {
    case "minutes":
      return cron.every === 1 ? "* * * * *" : `*/${cron.every} * * * *`;
    case "hourly":
      return `${cron.minute} * * * *`;
    case "daily":
      return `${cron.minute} ${cron.hour} * * *`;
    case "weekdays":
      return `${cron.minute} ${cron.hour} * * mon-fri`;
    case "weekly":
      return `${cron.minute} ${cron.hour} * * ${inOrder(cron.days).map((day) => SHORT_DAYS[day]).join(",")}`;
    case "monthly":
      return `${cron.minute} ${cron.hour} ${cron.day} * *`;
    case "lastDay":
      return `${cron.minute} ${cron.hour} L * *`;
    case "nthWeekday":
      return `${cron.minute} ${cron.hour} * * ${SHORT_DAYS[cron.day]}${cron.nth === "last" ? "L" : `#${cron.nth}`}`;
    case "custom":
      return cron.expression;
  }
}

/** Return the schedule that an expression describes; a custom one for all that cannot be built by choosing. */
export function fromExpression(expression: string): Cron {
  return chosen(expression.trim()) ?? { kind: "custom", expression };
}

/** Return the schedule of another kind, which keeps what it shares with the one before. */
export function ofKind(kind: CronKind, before: Cron): Cron {
  const minute = "minute" in before ? before.minute : 0;
  const hour = "hour" in before ? before.hour : 9;
  switch (kind) {
    case "minutes":
      return { kind, every: 5 };
    case "hourly":
      return { kind, minute };
    case "daily":
    case "weekdays":
    case "lastDay":
      return { kind, hour, minute };
    case "weekly":
      return { kind, days: "day" in before && before.kind === "nthWeekday" ? [before.day] : [1], hour, minute };
    case "monthly":
      return { kind, day: 1, hour, minute };
    case "nthWeekday":
      return { kind, nth: 1, day: before.kind === "weekly" ? (before.days[0] ?? 1) : 1, hour, minute };
    case "custom":
      return { kind, expression: toExpression(before) };
  }
}

function chosen(expression: string): Cron | null {
  const fields = (MACROS[expression] ?? expression).replaceAll("?", "*").split(/\s+/);
  const [minutes, hours, day, month, weekday] = fields;
  if (fields.length !== 5 || month !== "*") {
    return null;
  }
  if (hours === "*" && day === "*" && weekday === "*") {
    return everyFewMinutes(minutes!);
  }
  const minute = number(minutes!, 0, 59);
  const hour = number(hours!, 0, 23);
  if (minute === null || hour === null) {
    return null;
  }
  const time = { hour, minute };
  if (weekday === "*") {
    const date = number(day!, 1, 31);
    return day === "*"
      ? { kind: "daily", ...time }
      : day!.toUpperCase() === "L"
        ? { kind: "lastDay", ...time }
        : date === null ? null : { kind: "monthly", day: date, ...time };
  }
  return day === "*" ? onWeekdays(weekday!, time) : null;
}

function everyFewMinutes(minutes: string): Cron | null {
  const step = minutes === "*" ? 1 : number(minutes.replace(/^\*\//, ""), 1, 59);
  if (minutes === "*" || minutes.startsWith("*/")) {
    return step !== null && STEPS.includes(step) ? { kind: "minutes", every: step } : null;
  }
  const minute = number(minutes, 0, 59);
  return minute === null ? null : { kind: "hourly", minute };
}

function onWeekdays(weekday: string, time: { hour: number; minute: number }): Cron | null {
  const ordinal = /^([a-z]{3}|[0-7])(?:#([1-5])|L)$/i.exec(weekday);
  if (ordinal !== null) {
    const day = dayNumber(ordinal[1]!);
    const nth = ordinal[2] === undefined ? "last" : (Number(ordinal[2]) as Nth);
    return day === null ? null : { kind: "nthWeekday", nth, day, ...time };
  }
  const days = new Set<number>();
  for (const part of weekday.split(",")) {
    const [first, last, ...more] = part.split("-").map(dayNumber);
    if (first === undefined || first === null || last === null || more.length > 0 || (last !== undefined && last < first)) {
      return null;
    }
    for (let day = first; day <= (last ?? first); day += 1) {
      days.add(day);
    }
  }
  const chosenDays = inOrder([...days]);
  return String(chosenDays) === String(MONDAY_TO_FRIDAY) ? { kind: "weekdays", ...time } : { kind: "weekly", days: chosenDays, ...time };
}

/** Return the days from Monday to Sunday. */
function inOrder(days: number[]): number[] {
  return [...days].sort((a, b) => ((a + 6) % 7) - ((b + 6) % 7));
}

function dayNumber(text: string): number | null {
  const named = SHORT_DAYS.indexOf(text.toLowerCase());
  const day = named >= 0 ? named : number(text, 0, 7);
  return day === 7 ? 0 : day;
}

function number(text: string, low: number, high: number): number | null {
  const value = /^\d{1,2}$/.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value : null;
}
