// What an entry of the audit log changed, member by member.

interface Row {
  member: string;
  before: string;
  after: string;
}

export function Differences({ before, after }: { before: unknown; after: unknown }) {
  const rows = rowsOf(before, after);
  if (rows.length === 0) {
    return <p className="ink-2">There are no details.</p>;
  }
  const isNew = before === null;
  return (
    <div className="differences" role="region" aria-label="Changed members" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Member</th>
            {!isNew && <th scope="col">Before</th>}
            <th scope="col">{isNew ? "Value" : "After"}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.member}>
              <th scope="row" className="mono">
                {row.member}
              </th>
              {!isNew && (
                <td>
                  <del>{row.before}</del>
                </td>
              )}
              <td>
                <ins>{row.after}</ins>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function rowsOf(before: unknown, after: unknown): Row[] {
  const [old, fresh] = [flat(before), flat(after)];
  return [...new Set([...old.keys(), ...fresh.keys()])]
    .map((member) => ({ member, before: old.get(member) ?? "–", after: fresh.get(member) ?? "–" }))
    .filter((row) => row.before !== row.after);
}

/** Return the values of an object by their paths. Lists stay whole. */
function flat(value: unknown, path = ""): Map<string, string> {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return new Map(value === null || value === undefined ? [] : [[path || "value", typeof value === "string" ? value : JSON.stringify(value)]]);
  }
  return new Map(Object.entries(value).flatMap(([name, each]) => [...flat(each, path === "" ? name : `${path}.${name}`)]));
}
