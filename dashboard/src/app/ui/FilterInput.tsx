// A text of a filter, which counts once typing pauses.
import { useEffect, useRef, useState } from "react";

const COUNTS_AFTER_MS = 250;

interface Props {
  label: string;
  placeholder: string;
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "search";
  inputMode?: "text" | "numeric";
}

export function FilterInput({ label, placeholder, value, onChange, type = "text", inputMode = "text" }: Props) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  useEffect(() => {
    // The filter was changed elsewhere, such as by a link or the browser's way back.
    if (value !== sent.current) {
      sent.current = value;
      setText(value);
    }
  }, [value]);
  useEffect(() => {
    const timer = window.setTimeout(() => {
      if (text.trim() !== sent.current) {
        sent.current = text.trim();
        onChange(text.trim());
      }
    }, COUNTS_AFTER_MS);
    return () => window.clearTimeout(timer);
  });
  return (
    <input
      type={type}
      inputMode={inputMode}
      aria-label={label}
      title={label}
      placeholder={placeholder}
      autoComplete="off"
      spellCheck={false}
      value={text}
      onChange={({ target }) => setText(target.value)}
    />
  );
}
