// The reader's choices, which the browser keeps: the theme, and the zone in which times are written.
import { useStore } from "../stored";
import { THEMES, theme, type Theme } from "../theme";
import { MINE, ZONES, zoneChoice, type ZoneChoice } from "../time/zone";

const THEME_WORDS: Record<Theme, string> = { system: "System", light: "Light", dark: "Dark" };
const ZONE_WORDS: Record<ZoneChoice, string> = { mine: `Mine (${MINE.split("/").at(-1)!.replaceAll("_", " ")})`, utc: "UTC", task: "The task’s" };

export function Choices() {
  return (
    <div className="choices">
      <label>
        <span>Times</span>
        <select value={useStore(zoneChoice)} onChange={(event) => zoneChoice.set(event.target.value as ZoneChoice)}>
          {ZONES.map((each) => (
            <option key={each} value={each}>
              {ZONE_WORDS[each]}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>Theme</span>
        <select value={useStore(theme)} onChange={(event) => theme.set(event.target.value as Theme)}>
          {THEMES.map((each) => (
            <option key={each} value={each}>
              {THEME_WORDS[each]}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
