// The palette, which Ctrl-K opens: pages and tasks by a few letters of their names.
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useId, useState } from "react";
import { useQuery } from "urql";

import { graphql } from "../api/graphql";
import { useMay } from "../api/viewer";
import { Dialog } from "../ui/Dialog";
import { Icon, type IconName } from "../ui/icons";
import { MAIN, useAdministration } from "./navigation";

const FOUND = graphql(`
  query FindTasks($text: String!) {
    tasks(first: 8, filter: { nameContains: $text }, orderBy: NAME_ASC) {
      nodes {
        id
        name
      }
    }
  }
`);

const ASKS_AFTER_MS = 120;

interface Choice {
  key: string;
  icon: IconName;
  label: string;
  go: () => void;
}

export function Palette({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const mayWrite = useMay("WRITE");
  const administration = useAdministration();
  const list = useId();
  const [text, setText] = useState("");
  const [asked, setAsked] = useState("");
  const [chosen, setChosen] = useState(0);
  useEffect(() => {
    const timer = window.setTimeout(() => setAsked(text.trim()), ASKS_AFTER_MS);
    return () => window.clearTimeout(timer);
  }, [text]);
  const [{ data }] = useQuery({ query: FOUND, variables: { text: asked }, pause: asked === "" });

  const words = text.trim().toLowerCase();
  const pages: Choice[] = [
    ...[...MAIN, ...administration].map(({ to, label, icon }) => ({ key: to, icon, label, go: () => void navigate({ to }) })),
    ...(mayWrite
      ? [{ key: "new", icon: "plus" as const, label: "New task", go: () => void navigate({ to: "/tasks/new", search: {} }) }]
      : []),
  ].filter(({ label }) => label.toLowerCase().includes(words));
  const tasks: Choice[] = (asked === "" ? [] : (data?.tasks.nodes ?? []))
    .filter(({ name }) => name.toLowerCase().includes(words))
    .map(({ id, name }) => ({
      key: id,
      icon: "clock",
      label: name,
      go: () => void navigate({ to: "/tasks/$taskId", params: { taskId: id } }),
    }));
  const choices = [...pages, ...tasks];
  const current = Math.min(chosen, Math.max(choices.length - 1, 0));

  const choose = (choice: Choice | undefined) => {
    if (choice !== undefined) {
      choice.go();
      onClose();
    }
  };
  return (
    <Dialog title="Go to" onClose={onClose} className="palette">
      <input
        role="combobox"
        aria-label="Go to"
        aria-expanded
        aria-controls={list}
        aria-activedescendant={choices.length > 0 ? `${list}-${current}` : undefined}
        aria-autocomplete="list"
        placeholder="A page, or the name of a task"
        autoFocus
        value={text}
        onChange={({ target }) => {
          setText(target.value);
          setChosen(0);
        }}
        onKeyDown={(event) => {
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          if (step !== undefined && choices.length > 0) {
            event.preventDefault();
            setChosen((current + step + choices.length) % choices.length);
          } else if (event.key === "Enter") {
            choose(choices[current]);
          }
        }}
      />
      <ul role="listbox" id={list} aria-label="Pages and tasks" className="palette-list">
        {choices.map((choice, index) => (
          <li
            key={choice.key}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === current}
            className="palette-choice"
            onClick={() => choose(choice)}
            onMouseMove={() => setChosen(index)}
          >
            <Icon name={choice.icon} />
            {choice.label}
          </li>
        ))}
      </ul>
      {choices.length === 0 && <p className="ink-3">Nothing has this name.</p>}
    </Dialog>
  );
}
