// curl's options, and what Duetime makes of each.

/** Options that end up in the form. */
export type Taken =
  | "request" | "header" | "data" | "data-raw" | "data-urlencode" | "json" | "get" | "head" | "url" | "url-query" | "user" | "user-agent"
  | "referer" | "cookie" | "oauth2-bearer" | "range" | "location" | "max-redirs" | "max-time" | "retry" | "retry-delay" | "retry-max-time"
  | "compressed" | "globoff";

export interface Option {
  name: string;
  takesValue: boolean;
  /** What the form takes; null for what it does not. */
  taken: Taken | null;
  /** Why the option is not taken; "" if it makes no difference to the request. */
  why: string;
}

const VERIFIES = "Duetime always verifies certificates.";
const NO_MULTIPART = "Multipart forms are not supported. Send the fields as a form, or the body as text.";
const NO_FILES = "Duetime has no access to the files of your machine.";
const NO_PROXY = "The workers' own network settings apply.";
const NO_LOGIN = "Only Basic and Bearer authentication are supported.";
const NO_CERTIFICATES = "Client certificates and own authorities are not supported.";
const OWN_PROTOCOL = "Duetime chooses the version of HTTP.";

const OPTIONS = new Map<string, Option>();

function add(names: string, { takesValue, taken = null, why = "" }: { takesValue: boolean; taken?: Taken | null; why?: string }): void {
  const [name, ...others] = names.split(" ");
  for (const each of [name!, ...others]) {
    OPTIONS.set(each, { name: `--${name}`, takesValue, taken, why });
  }
}

const taken = (names: string, what?: Taken): void => add(names, { takesValue: true, taken: what ?? (names.split(" ")[0] as Taken) });
const takenFlag = (names: string): void => add(names, { takesValue: false, taken: names.split(" ")[0] as Taken });
const harmless = (list: string): void => list.split(", ").forEach((names) => add(names, { takesValue: false }));
const harmlessWithValue = (list: string): void => list.split(", ").forEach((names) => add(names, { takesValue: true }));
const refused = (list: string, why: string): void => list.split(", ").forEach((names) => add(names, { takesValue: false, why }));
const refusedWithValue = (list: string, why: string): void => list.split(", ").forEach((names) => add(names, { takesValue: true, why }));

taken("request X");
taken("header H");
taken("data d");
taken("data-ascii", "data");
taken("data-binary", "data");
taken("data-raw");
taken("data-urlencode");
taken("json");
taken("url");
taken("url-query");
taken("user u");
taken("user-agent A");
taken("referer e");
taken("cookie b");
taken("oauth2-bearer");
taken("range r");
taken("max-redirs");
taken("max-time m");
taken("retry");
taken("retry-delay");
taken("retry-max-time");
takenFlag("get G");
takenFlag("head I");
takenFlag("location L");
takenFlag("compressed");
takenFlag("globoff g");

harmless(
  "silent s, show-error S, fail f, fail-with-body, fail-early, verbose v, include i, progress-bar #, no-progress-meter, no-buffer N, " +
    "remote-name O, remote-header-name J, remote-name-all, remote-time R, remove-on-error, create-dirs, no-clobber, styled-output, " +
    "no-styled-output, parallel Z, parallel-immediate, trace-time, trace-ids, disable q, path-as-is, basic, keepalive, no-keepalive, " +
    "no-sessionid, no-alpn, no-npn, tcp-nodelay, tcp-fastopen, use-ascii B, xattr, retry-all-errors, retry-connrefused, " +
    "suppress-connect-headers, no-location, raw, disallow-username-in-url, ssl, ssl-reqd, ssl-no-revoke, ssl-revoke-best-effort, " +
    "tlsv1 1, tlsv1.0, tlsv1.1, tlsv1.2, tlsv1.3, compressed-ssh, junk-session-cookies j, crlf",
);
harmlessWithValue(
  "output o, output-dir, dump-header D, write-out w, trace, trace-ascii, trace-config, stderr, libcurl, keepalive-time, keepalive-cnt, " +
    "parallel-max, rate, create-file-mode, happy-eyeballs-timeout-ms, expect100-timeout, variable",
);

refused("insecure k, proxy-insecure, doh-insecure", VERIFIES);
refusedWithValue("form F, form-string", NO_MULTIPART);
refused("form-escape", NO_MULTIPART);
refusedWithValue("upload-file T, config K, cookie-jar c, netrc-file, etag-save, etag-compare, hsts, alt-svc", NO_FILES);
refused("netrc n, netrc-optional", NO_FILES);
refusedWithValue(
  "proxy x, preproxy, proxy-user U, proxy-header, proxy1.0, noproxy, socks4, socks4a, socks5, socks5-hostname, resolve, connect-to, " +
    "interface, local-port, unix-socket, abstract-unix-socket, doh-url, dns-servers, dns-interface, dns-ipv4-addr, dns-ipv6-addr",
  NO_PROXY,
);
refused("ipv4 4, ipv6 6, proxytunnel p, haproxy-protocol", NO_PROXY);
refused("digest, ntlm, negotiate, anyauth", NO_LOGIN);
refusedWithValue("aws-sigv4, delegation, service-name, login-options", NO_LOGIN);
refusedWithValue(
  "cert E, cert-type, key, key-type, pass, cacert, capath, crlfile, ciphers, tls13-ciphers, curves, tls-max, pinnedpubkey, engine, random-file",
  NO_CERTIFICATES,
);
refused("cert-status, ssl-auto-client-cert, ca-native", NO_CERTIFICATES);
refused("http0.9, http1.0 0, http1.1, http2, http2-prior-knowledge, http3, http3-only", OWN_PROTOCOL);
refused("location-trusted", "A redirect to another host gets no secret headers.");
refused("post301, post302, post303", "After such a redirect, a POST becomes a GET.");
refused("next :", "Only the first request of the command is taken.");
refusedWithValue("connect-timeout", "The timeout covers the whole attempt: use --max-time.");
refusedWithValue("max-filesize, limit-rate, speed-limit Y, speed-time y", "Duetime has its own limits for responses.");
refusedWithValue("time-cond z, continue-at C, request-target, proto, proto-default, proto-redir", "It is not supported.");
refused("tr-encoding, ignore-content-length", "It is not supported.");

/** Return curl's option with this long name, or short name of one letter; null for one that is unknown. */
export function option(name: string): Option | null {
  return OPTIONS.get(name) ?? null;
}
