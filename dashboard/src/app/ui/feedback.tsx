// What stands in a place that has no data: not yet, because of an error, or because there are none.
import type { CombinedError } from "@urql/core";
import { useEffect, useState, type ReactNode } from "react";

import { words } from "../api/client";
import { Icon, type IconName } from "./icons";

/** Loading shorter than this shows nothing, because a flash disturbs more than it tells. */
const SHOWN_AFTER_MS = 150;

/** Grey lines in place of data that are loading. */
export function Skeleton({ lines = 3, height }: { lines?: number; height?: number }) {
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setShown(true), SHOWN_AFTER_MS);
    return () => window.clearTimeout(timer);
  }, []);
  return (
    <div className="skeleton" role="status" style={{ height, visibility: isShown ? "visible" : "hidden" }}>
      <span className="visually-hidden">Loading</span>
      {height === undefined && Array.from({ length: lines }, (_, index) => <div key={index} className="skeleton-line" />)}
    </div>
  );
}

/** An error, with what to do about it. */
export function ErrorNote({ error, retry }: { error: CombinedError | Error; retry?: (() => void) | undefined }) {
  const message = "graphQLErrors" in error ? words(error) : error.message;
  return (
    <div className="note note-bad" role="alert">
      <Icon name="alert" />
      <p>{message}</p>
      {retry !== undefined && (
        <button type="button" className="button button-small" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** What stands in place of an empty list: what it would have, and how to get it. */
export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon name={icon} />
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}
