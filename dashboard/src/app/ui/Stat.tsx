// A number with its name, in a <dl>.
interface Props {
  name: string;
  value: string;
  note?: string | undefined;
  tone?: "bad" | "warn" | undefined;
}

export function Stat({ name, value, note, tone }: Props) {
  return (
    <div className="stat">
      <dt>{name}</dt>
      <dd>
        <span className="stat-value">{value}</span>
        {note !== undefined && <span className={`stat-note ${tone === undefined ? "" : `ink-${tone}`}`}>{note}</span>}
      </dd>
    </div>
  );
}
