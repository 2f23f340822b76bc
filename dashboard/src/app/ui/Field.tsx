// A field of a form: its label, its control, a hint, and what is wrong with its value.
import { createContext, useContext, useEffect, useId, useMemo, useRef, type ReactNode, type RefObject } from "react";

interface FormContext {
  /** The ids of the controls on the page, by the names of their fields. */
  controls: RefObject<Map<string, string>>;
  problems: ReadonlyMap<string, readonly string[]>;
  /** Forget the problems of a field, because its value changes. */
  clear: (name: string) => void;
}

const Context = createContext<FormContext | null>(null);

/** The names of fields and what is wrong with them, for all fields inside. */
export function FieldProblems({ controls, problems, clear, children }: FormContext & { children: ReactNode }) {
  const value = useMemo(() => ({ controls, problems, clear }), [controls, problems, clear]);
  return <Context value={value}>{children}</Context>;
}

/** The attributes that tie a control to its label, its hint and its problems. */
export interface Control {
  id: string;
  "aria-invalid": boolean | undefined;
  "aria-describedby": string | undefined;
}

interface Props {
  /** The path of the value in the API's input, such as "action.url". */
  name: string;
  label: ReactNode;
  hint?: ReactNode;
  className?: string;
  /** Whether the label is for screen readers alone. */
  labelHidden?: boolean;
  children: (control: Control) => ReactNode;
}

export function Field({ name, label, hint, className = "", labelHidden = false, children }: Props) {
  const form = useContext(Context);
  const id = useId();
  const controls = form?.controls;
  const problems = form?.problems.get(name) ?? [];
  useEffect(() => {
    controls?.current.set(name, id);
    return () => void controls?.current.delete(name);
  }, [controls, name, id]);
  const described = [hint === undefined ? "" : `${id}-hint`, problems.length > 0 ? `${id}-problem` : ""].filter(Boolean).join(" ");
  return (
    <div className={`field ${className}`} onChange={() => form?.clear(name)}>
      <label htmlFor={id} className={labelHidden ? "visually-hidden" : undefined}>
        {label}
      </label>
      {children({ id, "aria-invalid": problems.length > 0 || undefined, "aria-describedby": described || undefined })}
      {problems.length > 0 && (
        <p className="field-problem" id={`${id}-problem`}>
          {problems.join(" ")}
        </p>
      )}
      {hint !== undefined && <small id={`${id}-hint`}>{hint}</small>}
    </div>
  );
}

/** Return what FieldProblems needs to know of the controls. */
export function useControls(): RefObject<Map<string, string>> {
  return useRef(new Map<string, string>());
}

/** Move the focus to a control, out of whatever hides it. */
export function focusControl(id: string): void {
  const control = document.getElementById(id);
  for (let around = control?.closest("details"); around; around = around.parentElement?.closest("details")) {
    around.open = true;
  }
  control?.focus();
  control?.scrollIntoView({ block: "center" });
}
