// The frame around all pages: the navigation at the side or, on a phone, at the bottom, and the reader's choices.
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";

import { question } from "../api/key";
import { useStore } from "../stored";
import { Icon } from "../ui/icons";
import { Toasts } from "../ui/Toasts";
import { Choices } from "./Choices";
import { Destination, OtherPages } from "./links";
import { MAIN, useAdministration } from "./navigation";
import { Viewer } from "./Viewer";

const KeyDialog = lazy(() => import("./KeyDialog").then((module) => ({ default: module.KeyDialog })));
const MoreSheet = lazy(() => import("./MoreSheet").then((module) => ({ default: module.MoreSheet })));
const Palette = lazy(() => import("./Palette").then((module) => ({ default: module.Palette })));

export function Shell() {
  const [isMenuOpen, setMenuOpen] = useState(false);
  const administration = useAdministration();
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  const isKeyAsked = useStore(question) !== null;
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
      <Suspense>
        {isMenuOpen && <MoreSheet onClose={() => setMenuOpen(false)} />}
        {isPaletteOpen && <Palette onClose={() => setPaletteOpen(false)} />}
        {isKeyAsked && <KeyDialog />}
      </Suspense>
      <Toasts />
    </div>
  );
}
