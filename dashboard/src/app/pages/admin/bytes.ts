// Sizes in words.
const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Return a size with its unit, such as "12.3 MB", by powers of 1,000. */
export function bytes(size: number): string {
  const power = Math.min(Math.max(Math.floor(Math.log10(Math.max(size, 1)) / 3), 0), UNITS.length - 1);
  const value = size / 1_000 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]!}`;
}
