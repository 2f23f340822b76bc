import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { readCurl } from "../../dashboard/src/app/forms/curl.ts";
import { NotCurl } from "../../dashboard/src/app/forms/curl-command.ts";
import { split } from "../../dashboard/src/app/forms/shell.ts";

const plain = { method: "GET", url: "https://example.com/", headers: [], body: { kind: "none" }, timeoutMs: null, redirects: 0, retry: null };

/** Check what a command becomes, beside the defaults, and which of its parts are not taken. */
function becomes(command: string, expected: object, notTaken: string[] = []): void {
  const read = readCurl(command);
  assert.deepEqual(read.request, { ...plain, ...expected });
  assert.deepEqual(read.notTaken.map(({ part }) => part), notTaken);
  assert(read.notTaken.every(({ why }) => why.length > 0));
}

const header = (name: string, value: string, secret = false): object => ({ name, value, secret });

test("words are split as bash splits them", () => {
  const lines = [
    String.raw`curl 'a b' "c \"d\" \$e \x" f\ g h'i'"j"`,
    String.raw`curl $'it\'s\n\x41\u00e9\U0001f600\101\t\\ \q' $'\xc3\xa9'`,
    "curl \\\n  -H 'two\nlines' \\\n  \"conti\\\nnued\" # comment",
    "curl '' \"\" x",
  ];
  for (const line of lines) {
    const printed = execFileSync("bash", ["--norc", "-c", line.replace(/^curl /, "printf '%s\\0' ")], { encoding: "utf8", env: { LC_ALL: "C.UTF-8" } });
    assert.deepEqual(split(line).words.slice(1), printed.split("\0").slice(0, -1), line);
  }
});

test("what only a shell can replace, and what follows the command, is told", () => {
  becomes('$ curl -s "https://example.com/?t=$TOKEN" | jq .', { url: "https://example.com/?t=$TOKEN" }, ["| jq .", "$TOKEN"]);
  becomes("TOKEN=x curl 'https://example.com/' && echo done", {}, ["&& echo done"]);
});

test("a text that is no curl command is refused with a reason", () => {
  for (const [text, reason] of [
    ["", /does not begin with curl/],
    ["wget https://example.com", /does not begin with curl/],
    ["curl -s", /no URL/],
    ["curl 'https://example.com", /single quotation mark/],
    ['curl "https://example.com', /double quotation mark/],
    ["curl $'https://example.com", /is not closed/],
    ["curl https://example.com -H", /-H has no value/],
  ] as const) {
    assert.throws(() => readCurl(text), (error) => error instanceof NotCurl && reason.test(error.message), text);
  }
});

test("a URL gets a scheme, and loses its fragment and its user", () => {
  becomes("curl example.com/a#b", { url: "http://example.com/a" });
  becomes("curl https://me:p%40ss@example.com/", { headers: [header("Authorization", `Basic ${btoa("me:p@ss")}`, true)] });
  becomes("curl --url https://example.com/ https://other.example", {}, ["https://other.example"]);
  becomes("curl 'https://example.com/[1-3]'", { url: "https://example.com/[1-3]" }, ["https://example.com/[1-3]"]);
});

test("a body decides the method, and its type decides the editor", () => {
  const posted = { method: "POST" };
  becomes("curl https://example.com/ -d a=1 -d 'b=x y'", {
    ...posted, body: { kind: "form", fields: [{ name: "a", value: "1" }, { name: "b", value: "x y" }] },
  });
  becomes(`curl https://example.com/ --json '{"a": 1}'`, {
    ...posted, body: { kind: "json", text: '{"a": 1}' }, headers: [header("Accept", "application/json")],
  });
  becomes(`curl https://example.com/ -H 'content-type: application/json' --data-raw '{"a": 1.10}'`, {
    ...posted, body: { kind: "json", text: '{"a": 1.10}' },
  });
  becomes(`curl -XPUT https://example.com/ -H 'Content-Type: application/json; charset=utf-8' -d '[]'`, {
    method: "PUT", body: { kind: "json", text: "[]" }, headers: [header("Content-Type", "application/json; charset=utf-8")],
  });
  becomes(`curl https://example.com/ -H 'Content-Type: application/json' -d '{broken'`, {
    ...posted, body: { kind: "text", text: "{broken" }, headers: [header("Content-Type", "application/json")],
  });
  becomes(`curl https://example.com/ -d '{"a": 1}'`, {
    ...posted, body: { kind: "text", text: '{"a": 1}' }, headers: [header("Content-Type", "application/x-www-form-urlencoded")],
  }, ["--data"]);
  becomes("curl https://example.com/ --data-urlencode 'q=a b&c' --data-urlencode '=x' ", {
    ...posted, body: { kind: "text", text: "q=a%20b%26c&x" }, headers: [header("Content-Type", "application/x-www-form-urlencoded")],
  });
  becomes("curl https://example.com/ -d @body.json", { ...posted, body: { kind: "text", text: "" }, headers: [header("Content-Type", "application/x-www-form-urlencoded")] }, ["-d @body.json"]);
  becomes("curl -G https://example.com/?z=0 -d a=1 --data-urlencode 'b=ü'", { url: "https://example.com/?z=0&a=1&b=%C3%BC" });
  becomes("curl -I https://example.com/", { method: "HEAD" });
});

test("headers that look like secrets are marked, and those that cannot be sent are told", () => {
  becomes(
    "curl https://example.com/ -H 'authorization: Bearer t0ken!' -H 'X-Api-Key: k' -H 'X-Auth-Token: 123456' -H 'Accept: text/html' -H 'X-Empty;' -H 'Host: other' -H 'accept: */*' -H Nothing -H 'User-Agent:'",
    {
      headers: [
        header("authorization", "Bearer t0ken!", true), header("X-Api-Key", "k", true), header("X-Auth-Token", "123456", true),
        header("Accept", "text/html"), header("X-Empty", ""),
      ],
    },
    ["-H Host", "-H accept", "-H Nothing"],
  );
  becomes("curl https://example.com/ -u me:pässword -A agent -e https://from.example -b a=1 -b 'b=2' -r 0-9", {
    headers: [
      header("User-Agent", "agent"), header("Referer", "https://from.example"), header("Range", "bytes=0-9"),
      header("Authorization", `Basic ${Buffer.from("me:pässword").toString("base64")}`, true), header("Cookie", "a=1; b=2", true),
    ],
  });
});

test("redirects, timeout and retries have their fields", () => {
  becomes("curl -sSLf --compressed -m 2.5 --retry 4 --retry-delay 3 --retry-max-time 60 -o /dev/null -H 'Accept-Encoding: br' https://example.com/", {
    redirects: 5, timeoutMs: 2_500, retry: { maxAttempts: 5, initialDelayMs: 3_000, maxElapsedMs: 60_000 },
  });
  becomes("curl -L --max-redirs 20 https://example.com/", { redirects: 5 }, ["--max-redirs"]);
  becomes("curl --max-redirs 2 --location https://example.com/", { redirects: 2 });
});

test("what cannot be done is told with a reason", () => {
  becomes("curl -k -F file=@a.png --proxy http://p:1 --cert c.pem --http2 --digest --nonsense https://example.com/ --next https://other.example", {},
    ["-k", "-F", "--proxy", "--cert", "--http2", "--digest", "--nonsense", "--next"]);
  becomes("curl -X PURGE https://example.com/", {}, ["--request PURGE"]);
});

test("what browsers and Postman copy is read", () => {
  // Chrome, "Copy as cURL (bash)".
  becomes(String.raw`curl 'https://example.com/api' \
  -H 'accept: */*' \
  -H 'content-type: application/json' \
  -b 'session=abc' \
  -H 'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"' \
  --data-raw $'{"text":"it\'s \u0021 \ud83d\ude00"}'`, {
    url: "https://example.com/api", method: "POST", body: { kind: "json", text: `{"text":"it's ! 😀"}` },
    headers: [header("accept", "*/*"), header("sec-ch-ua", '"Chromium";v="140", "Not=A?Brand";v="24"'), header("Cookie", "session=abc", true)],
  });
  // Chrome, "Copy as cURL (cmd)".
  becomes(
    [
      'curl --request POST ^"https://example.com/api?a=1^&b=^%^20^" ^',
      "  -H ^\"accept: */*^\" ^",
      '  -H ^"content-type: application/json^" ^',
      '  --data-raw ^"^{^\\^"a^\\^":^\\^"x y^\\^"^}^"',
    ].join("\r\n"),
    { url: "https://example.com/api?a=1&b=%20", method: "POST", body: { kind: "json", text: '{"a":"x y"}' }, headers: [header("accept", "*/*")] },
  );
  // Firefox.
  becomes("curl 'https://example.com/' --compressed -X POST -H 'User-Agent: Mozilla/5.0' -H 'Accept-Encoding: gzip, deflate, br, zstd' -H 'Connection: keep-alive' -H 'TE: trailers' --data-raw 'a=1&b='", {
    method: "POST", headers: [header("User-Agent", "Mozilla/5.0")], body: { kind: "form", fields: [{ name: "a", value: "1" }, { name: "b", value: "" }] },
  }, ["-H Connection", "-H TE"]);
  // Postman.
  becomes(`curl --location 'https://example.com/' \\\n--header 'Content-Type: text/plain' \\\n--data 'hello\nworld'`, {
    method: "POST", redirects: 5, headers: [header("Content-Type", "text/plain")], body: { kind: "text", text: "hello\nworld" },
  });
});
