// The theme: that of the system, or the one that the reader has chosen in this browser.
import { createChoice } from "./stored";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const theme = createChoice("duetime:theme", THEMES);

/** Show the chosen theme, from now on. */
export function applyTheme(): void {
  const apply = (): void => {
    document.documentElement.dataset.theme = theme.get();
  };
  apply();
  theme.subscribe(apply);
}
