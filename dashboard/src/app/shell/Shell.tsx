// The frame around all pages: the navigation at the side or, on a phone, at the bottom, and the reader's choices.
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";

import { service } from "../address";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/icons";
import { Toasts } from "../ui/Toasts";
import { Choices } from "./Choices";
import { KeyDialog } from "./KeyDialog";
import { MAIN, useAdministration } from "./navigation";
import { Viewer } from "./Viewer";

const Palette = lazy(() => import("./Palette").then((module) => ({ default: module.Palette })));

export function Shell() {
  const [isMenuOpen, setMenuOpen] = useState(false);
  const administration = useAdministration();
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  useEffect(() => setMenuOpen(false), [path]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setPaletteOpen(true);
      }
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
  return (
    <div className="shell">
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <header className="side">
        <Link to="/" className="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <circle cx="16" cy="16" r="14" />
            <path d="M16 8v8l6 4" />
          </svg>
          Duetime
        </Link>
        <button type="button" className="side-search" aria-haspopup="dialog" onClick={() => setPaletteOpen(true)}>
          <Icon name="search" />
          <span>Go to …</span>
          <kbd>Ctrl K</kbd>
        </button>
        <nav aria-label="Pages">
          <ul>
            {MAIN.map((destination) => (
              <Destination key={destination.to} {...destination} />
            ))}
          </ul>
          {administration.length > 0 && (
            <>
              <p className="side-heading">Administration</p>
              <ul>
                {administration.map((destination) => (
                  <Destination key={destination.to} {...destination} />
                ))}
              </ul>
            </>
          )}
        </nav>
        <div className="side-foot">
          <Viewer />
          <Choices />
          <OtherPages />
        </div>
      </header>
      <Outlet />
      <nav className="tabs" aria-label="Main pages">
        <ul>
          {MAIN.map((destination) => (
            <Destination key={destination.to} {...destination} />
          ))}
          <li>
            <button type="button" className="nav-link" aria-haspopup="dialog" onClick={() => setMenuOpen(true)}>
              <Icon name="dots" />
              More
            </button>
          </li>
        </ul>
      </nav>
      {isMenuOpen && (
        <Dialog title="More" onClose={() => setMenuOpen(false)} className="sheet">
          <ul>
            {administration.map((destination) => (
              <Destination key={destination.to} {...destination} />
            ))}
          </ul>
          <Viewer />
          <Choices />
          <OtherPages />
        </Dialog>
      )}
      {isPaletteOpen && (
        <Suspense>
          <Palette onClose={() => setPaletteOpen(false)} />
        </Suspense>
      )}
      <KeyDialog />
      <Toasts />
    </div>
  );
}

function Destination({ to, label, icon }: (typeof MAIN)[number]) {
  return (
    <li>
      <Link to={to} className="nav-link" activeOptions={{ exact: to === "/", includeSearch: false }}>
        <Icon name={icon} />
        {label}
      </Link>
    </li>
  );
}

/** Links to the pages that are no part of the dashboard. */
function OtherPages() {
  return (
    <p className="other-pages">
      <a href={new URL("graphql", service).href}>GraphQL</a>
      <a href={new URL("swagger/index.html", service).href}>REST</a>
    </p>
  );
}
