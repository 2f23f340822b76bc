// The theme: that of the system, or the one that the reader has chosen in this browser.
import { createChoice } from "./stored";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const theme = createChoice("duetime:theme", THEMES);

/** Show the theme whenever another one is chosen. The first one is applied by src/theme/first_paint.js. */
export function followTheme(): void {
  theme.subscribe(() => {
    document.documentElement.dataset.theme = theme.get();
  });
}
