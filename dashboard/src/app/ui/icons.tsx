// The icons: strokes on a grid of 16, without a meaning for screen readers, because a word always stands beside them.
const PATHS = {
  overview: "M2 9h3l2-5 3 9 2-4h2",
  tasks: "M6 4h8M6 8h8M6 12h8M2.5 4h.01M2.5 8h.01M2.5 12h.01",
  runs: "M3 3v10M6 5l7 3-7 3z",
  bell: "M4 11V7a4 4 0 0 1 8 0v4l1 1H3zM7 14h2",
  gauge: "M2.5 12a6 6 0 1 1 11 0M8 9l2.5-3",
  key: "M8.5 7.5 14 2M11.500 4.500l1.500 1.500M9 10a3 3 0 1 1-6 0 3 3 0 0 1 6 0z",
  book: "M3 3h4a1 1 0 0 1 1 1v9a2 2 0 0 0-2-1H3zM13 3H9a1 1 0 0 0-1 1v9a2 2 0 0 1 2-1h3z",
  server: "M3 3h10v4H3zM3 9h10v4H3zM5.500 5h.01M5.500 11h.01",
  database: "M3 4c0-2.500 10-2.500 10 0s-10 2.500-10 0zM3 4v8c0 2.500 10 2.500 10 0V4M3 8c0 2.500 10 2.500 10 0",
  plus: "M8 3v10M3 8h10",
  search: "M11 7a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM10 10l3.500 3.500",
  system: "M2 3h12v8H2zM6 14h4",
  clock: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0zM8 4.500V8l2.500 1.500",
  check: "M3 8.500 6.500 12 13 4.500",
  cross: "M4 4l8 8M12 4l-8 8",
  alert: "M8 2.500 14.500 13.500h-13zM8 6.500v3M8 11.500v.01",
  pause: "M5.500 3.500v9M10.500 3.500v9",
  play: "M5 3l8 5-8 5z",
  skip: "M3 4l5 4-5 4zM8 4l5 4-5 4z",
  missed: "M14 8A6 6 0 1 1 8 2M8 4.500V8l2 1.500M12 2v3M12 6.500v.01",
  question: "M5.500 6a2.500 2.500 0 1 1 3.500 2.300c-.7.300-1 .7-1 1.400M8 12.500v.01",
  ban: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0zM4 4l8 8",
  retry: "M13 8a5 5 0 1 1-1.500-3.500L13 6M13 2.500V6H9.500",
  running: "M8 2a6 6 0 1 1-6 6",
  dots: "M3.500 8h.01M8 8h.01M12.500 8h.01",
  right: "M6 3.500 10.500 8 6 12.500",
  down: "M3.500 6 8 10.500 12.500 6",
  copy: "M6 6h7v7H6zM3 10V3h7",
  pencil: "M3 13l.7-3L10.500 3.200l2.300 2.300L6 12.300zM9 4.700 11.300 7",
  trash: "M3 4.500h10M6.500 4.500V3h3v1.500M4.500 4.500l.5 8.500h6l.5-8.500M7 7v3.500M9 7v3.500",
  filter: "M2 3.500h12L9.500 8.500v4l-3 1.500V8.500z",
  history: "M2.500 8A5.500 5.500 0 1 0 4 4.200L2.500 6M2.500 3v3h3M8 5v3.500l2 1",
  live: "M8 8h.01M5.200 10.800a4 4 0 0 1 0-5.600M10.800 5.200a4 4 0 0 1 0 5.600M3 13a7 7 0 0 1 0-10M13 3a7 7 0 0 1 0 10",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon of the size of the text. */
export function Icon({ name, className = "" }: { name: IconName; className?: string }) {
  return (
    <svg className={`icon ${className}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
