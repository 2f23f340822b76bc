// What a call sends.
import "../../styles/exchange.css";

import { Body } from "./Body";

interface Action {
  method: string;
  url: string;
  headers: { name: string; value: string | null; secret: boolean }[];
  payload: unknown;
  body: string | null;
  bodyEncoding: "UTF8" | "BASE64";
  form: { name: string; value: string }[] | null;
  timeoutMs: number;
}

export function Request({ action }: { action: Action }) {
  const { method, url, headers, payload, body, bodyEncoding, form } = action;
  return (
    <div className="card-body exchange">
      <p className="request-line mono">
        <span className="method">{method}</span> {url}
      </p>
      {headers.length > 0 && (
        <dl className="headers mono">
          {headers.map(({ name, value, secret }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{secret ? <span className="ink-3">secret, never shown</span> : value}</dd>
            </div>
          ))}
        </dl>
      )}
      {payload !== null && <Body body={JSON.stringify(payload, null, 2)} encoding="UTF8" />}
      {body !== null && <Body body={body} encoding={bodyEncoding} />}
      {form !== null && (
        <dl className="headers mono">
          {form.map(({ name, value }, index) => (
            <div key={index}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {payload === null && body === null && form === null && <p className="ink-3">No body.</p>}
    </div>
  );
}
