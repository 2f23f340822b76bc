// The stretches of time that the overview shows.
export type Range = "hour" | "day" | "week";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** How long each is, how fine its statistics are, and how many of their buckets make one bar. */
export const RANGES: Record<Range, { lengthMs: number; bucket: "MINUTE" | "HOUR"; bucketMs: number; words: string }> = {
  hour: { lengthMs: HOUR, bucket: "MINUTE", bucketMs: MINUTE, words: "in the last hour" },
  day: { lengthMs: 24 * HOUR, bucket: "HOUR", bucketMs: HOUR, words: "in the last 24 hours" },
  week: { lengthMs: 7 * 24 * HOUR, bucket: "HOUR", bucketMs: HOUR, words: "in the last 7 days" },
};
