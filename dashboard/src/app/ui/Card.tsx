// A part of a page with a heading.
import { useId, type ReactNode } from "react";

interface Props {
  title: string;
  /** What stands at the right of the heading. */
  aside?: ReactNode;
  children: ReactNode;
  className?: string;
}

export function Card({ title, aside, children, className = "" }: Props) {
  const heading = useId();
  return (
    <section className={`card ${className}`} aria-labelledby={heading}>
      <header className="card-head">
        <h2 id={heading}>{title}</h2>
        {aside !== undefined && <div className="card-aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}
