// The frame of every page: its title, which is the window's too, its actions, and its content.
import { useEffect, type ReactNode } from "react";

interface Props {
  title: string;
  /** What stands above the title, such as a link to the list. */
  above?: ReactNode;
  /** What stands beside the title, such as a badge. */
  beside?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
}

export function Page({ title, above, beside, actions, children, className = "" }: Props) {
  useEffect(() => {
    document.title = `${title} – Duetime`;
  }, [title]);
  return (
    <main id="content" className={`page ${className}`} tabIndex={-1}>
      <header className="page-head">
        {above !== undefined && <div className="page-above">{above}</div>}
        <div className="page-title">
          <h1>{title}</h1>
          {beside}
        </div>
        {actions !== undefined && <div className="page-actions">{actions}</div>}
      </header>
      {children}
    </main>
  );
}
