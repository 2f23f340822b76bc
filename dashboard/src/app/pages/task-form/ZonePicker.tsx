// A time zone, found by typing part of its name: a combobox by the pattern of ARIA.
import { useId, useMemo, useRef, useState, type KeyboardEvent } from "react";

import { MINE } from "../../time/zone";
import type { Control } from "../../ui/Field";

const ALL = [...new Set([MINE, "UTC", ...Intl.supportedValuesOf("timeZone")])];
const MOST_SHOWN = 60;

interface Props {
  value: string;
  onChange: (value: string) => void;
  control: Control;
}

export function ZonePicker({ value, onChange, control }: Props) {
  const list = useId();
  const input = useRef<HTMLInputElement>(null);
  /** What is being typed; null while the list is closed. */
  const [typed, setTyped] = useState<string | null>(null);
  const [active, setActive] = useState(0);
  const found = useMemo(() => (typed === null ? [] : matching(typed)), [typed]);
  const isOpen = typed !== null;

  function choose(zone: string): void {
    onChange(zone);
    setTyped(null);
  }

  function onKeyDown(event: KeyboardEvent): void {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move !== undefined) {
      event.preventDefault();
      setTyped(typed ?? "");
      setActive(isOpen ? Math.min(Math.max(active + move, 0), found.length - 1) : 0);
      document.getElementById(`${list}-${active + move}`)?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" && isOpen) {
      event.preventDefault();
      choose(found[active] ?? typed);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      setTyped(null);
    }
  }

  return (
    <div className="combobox">
      <input
        {...control}
        ref={input}
        role="combobox"
        aria-expanded={isOpen}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={isOpen && found.length > 0 ? `${list}-${active}` : undefined}
        autoComplete="off"
        spellCheck={false}
        value={typed ?? value}
        onChange={(event) => {
          setTyped(event.target.value);
          setActive(0);
        }}
        onFocus={(event) => event.target.select()}
        onClick={() => {
          setTyped(typed ?? "");
          setActive(0);
        }}
        onBlur={() => {
          // What was typed in full is taken without choosing it; anything else is the field's old value again.
          const exactly = ALL.find((zone) => zone.toLowerCase() === typed?.trim().toLowerCase());
          if (exactly !== undefined) {
            onChange(exactly);
          }
          setTyped(null);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id={list} role="listbox" aria-label="Time zones" hidden={!isOpen}>
        {found.map((zone, index) => (
          <li
            key={zone}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === active}
            // The field keeps the focus, so that its list stays open until the click.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => choose(zone)}
          >
            <span>{zone.replaceAll("_", " ")}</span>
            <span className="ink-3">{offset(zone)}</span>
          </li>
        ))}
        {isOpen && found.length === 0 && (
          <li role="option" aria-selected={false} aria-disabled className="ink-3">
            No zone has this name.
          </li>
        )}
      </ul>
    </div>
  );
}

/** Return the zones whose names have all words of a text, those first in which a part begins with it. */
function matching(text: string): string[] {
  const wanted = text.toLowerCase().split(/[\s_/]+/).filter(Boolean);
  const found = ALL.filter((zone) => wanted.every((word) => zone.toLowerCase().includes(word)));
  const begins = (zone: string): boolean => zone.toLowerCase().split(/[/_]/).some((part) => part.startsWith(wanted[0] ?? ""));
  return [...found.filter(begins), ...found.filter((zone) => !begins(zone))].slice(0, MOST_SHOWN);
}

function offset(zone: string): string {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeZoneName: "shortOffset" }).formatToParts();
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
}
