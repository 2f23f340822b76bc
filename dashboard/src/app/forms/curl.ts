// Reads a curl command line into the values of the form, and tells what it could not take.
import { commandWords, NotCurl, shortened } from "./curl-command.ts";
import { option, type Taken } from "./curl-options.ts";
import {
  type CurlBody,
  type CurlHeader,
  type CurlRequest,
  decoded,
  formFields,
  type HttpMethod,
  isJson,
  looksSecret,
  type NotTaken,
  percentEncoded,
  type ReadCurl,
  whyRefused,
} from "./curl-request.ts";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const MOST_REDIRECTS = 5;
const MOST_ATTEMPTS = 100;
const LONGEST_TIMEOUT_MS = 3_600_000;
const FORM_TYPE = "application/x-www-form-urlencoded";
/** Return the request of a curl command. Throws NotCurl. */
export function readCurl(text: string): ReadCurl {
  const reading = new Reading();
  reading.read(commandWords(text, reading.notTaken));
  return reading.result();
}

class Reading {
  readonly notTaken: NotTaken[] = [];
  private readonly headers: CurlHeader[] = [];
  private readonly withoutHeaders = new Set<string>();
  private readonly cookies: string[] = [];
  private readonly urlQuery: string[] = [];
  private data: string | null = null;
  private url: string | null = null;
  private method: string | null = null;
  private json = false;
  private get = false;
  private head = false;
  private compressed = false;
  private globbing = true;
  private follows = false;
  private maxRedirs: number | null = null;
  private timeoutMs: number | null = null;
  private retries: number | null = null;
  private retryDelayMs: number | null = null;
  private retryMaxMs: number | null = null;
  private user: string | null = null;

  read(words: string[]): void {
    for (let index = 0; index < words.length; index += 1) {
      const word = words[index]!;
      if (word === "--next" || word === "-:") {
        this.refuse(word, "Only the first request of the command is taken.");
        return;
      }
      if (word.startsWith("--") && word.length > 2) {
        index += this.readOption(word, word.slice(2), words[index + 1]);
      } else if (word.startsWith("-") && word.length > 1 && word !== "--") {
        index += this.readCluster(word, words[index + 1]);
      } else if (word !== "--") {
        this.setUrl(word);
      }
    }
  }

  /** Read short options in one word, such as -sSL or -XPOST. Return how many further words were read. */
  private readCluster(word: string, next: string | undefined): number {
    for (let at = 1; at < word.length; at += 1) {
      const found = option(word[at]!);
      if (found?.takesValue) {
        const value = word.slice(at + 1);
        return value === "" ? this.readOption(`-${word[at]}`, word[at]!, next) : this.readOption(`-${word[at]}`, word[at]!, value) - 1;
      }
      this.readOption(`-${word[at]}`, word[at]!, undefined);
    }
    return 0;
  }

  /** Read one option. Return 1 if it has taken the value, or else 0. */
  private readOption(written: string, name: string, value: string | undefined): number {
    const found = option(name);
    if (found === null) {
      this.refuse(written, "It is not an option of curl that Duetime knows.");
      return 0;
    }
    if (found.takesValue && value === undefined) {
      throw new NotCurl(`${written} has no value. Copy the whole command.`);
    }
    if (found.taken !== null) {
      this.take(found.taken, value ?? "", written);
    } else if (found.why !== "") {
      this.refuse(written, found.why);
    }
    return found.takesValue ? 1 : 0;
  }

  private take(taken: Taken, value: string, written: string): void {
    switch (taken) {
      case "request":
        this.method = value.toUpperCase();
        break;
      case "header":
        this.addHeader(value, written);
        break;
      case "data":
        if (value.startsWith("@")) {
          this.refuse(`${written} ${value}`, "Duetime has no access to the files of your machine. Put the file's text into the body.");
          this.data ??= "";
        } else {
          this.addData(value);
        }
        break;
      case "data-raw":
        this.addData(value);
        break;
      case "data-urlencode":
        this.addEncoded(value, written, (part) => this.addData(part));
        break;
      case "json":
        if (value.startsWith("@")) {
          this.refuse(`${written} ${value}`, "Duetime has no access to the files of your machine. Put the file's text into the body.");
        } else {
          this.data = (this.data ?? "") + value;
        }
        this.json = true;
        break;
      case "url-query":
        if (value.startsWith("+")) {
          this.urlQuery.push(value.slice(1));
        } else {
          this.addEncoded(value, written, (part) => this.urlQuery.push(part));
        }
        break;
      case "get":
        this.get = true;
        break;
      case "head":
        this.head = true;
        break;
      case "url":
        this.setUrl(value);
        break;
      case "user":
        this.user = value;
        break;
      case "user-agent":
        this.setHeader("User-Agent", value, written);
        break;
      case "referer":
        this.setHeader("Referer", value.replace(/;auto$/, ""), written);
        break;
      case "cookie":
        if (value.includes("=")) {
          this.cookies.push(value);
        } else {
          this.refuse(`${written} ${value}`, "Duetime has no access to the files of your machine. Put the cookies into a Cookie header.");
        }
        break;
      case "oauth2-bearer":
        this.setHeader("Authorization", `Bearer ${value}`, written);
        break;
      case "range":
        this.setHeader("Range", `bytes=${value}`, written);
        break;
      case "location":
        this.follows = true;
        break;
      case "max-redirs":
        this.maxRedirs = this.number(value, written);
        break;
      case "max-time":
        this.timeoutMs = this.milliseconds(value, written);
        break;
      case "retry":
        this.retries = this.number(value, written);
        break;
      case "retry-delay":
        this.retryDelayMs = this.milliseconds(value, written);
        break;
      case "retry-max-time":
        this.retryMaxMs = this.milliseconds(value, written);
        break;
      case "compressed":
        this.compressed = true;
        break;
      case "globoff":
        this.globbing = false;
        break;
    }
  }

  private refuse(part: string, why: string): void {
    this.notTaken.push({ part: shortened(part), why });
  }

  private number(value: string, written: string): number | null {
    if (!/^-?\d+(\.\d+)?$/.test(value)) {
      this.refuse(`${written} ${value}`, "It is not a number.");
      return null;
    }
    return Number(value);
  }

  private milliseconds(value: string, written: string): number | null {
    const seconds = this.number(value, written);
    return seconds === null ? null : Math.round(seconds * 1000);
  }

  private setUrl(value: string): void {
    if (this.url === null) {
      this.url = value;
    } else {
      this.refuse(value, "A task calls one URL: the first one is taken.");
    }
  }

  private addData(part: string): void {
    this.data = this.data === null ? part : `${this.data}&${part}`;
  }

  /** Pass on the text of --data-urlencode: content, =content or name=content. */
  private addEncoded(value: string, written: string, pass: (part: string) => void): void {
    const [, name, sign, content] = /^([^=@]*)([=@])([^]*)$/.exec(value) ?? [value, "", "=", value];
    if (sign === "@") {
      this.refuse(`${written} ${value}`, "Duetime has no access to the files of your machine. Put the file's text into the body.");
    } else {
      pass((name === "" ? "" : `${name}=`) + percentEncoded(content!));
    }
  }

  private addHeader(line: string, written: string): void {
    if (line.startsWith("@")) {
      this.refuse(`${written} ${line}`, "Duetime has no access to the files of your machine.");
      return;
    }
    const [, name, separator, rest] = /^([^:;]*)([:;]?)([^]*)$/.exec(line)!;
    const value = rest!.trim();
    if (separator === ":" && value === "") {
      this.withoutHeaders.add(name!.trim().toLowerCase());
    } else if (separator === "") {
      this.refuse(`${written} ${line}`, "A header needs a name, a colon and a value.");
    } else {
      this.setHeader(name!.trim(), value, written);
    }
  }

  private setHeader(name: string, value: string, written: string): void {
    const lower = name.toLowerCase();
    const why = whyRefused(lower);
    if (why !== null) {
      this.refuse(`${written} ${name}`, why);
    } else if (this.headers.some((header) => header.name.toLowerCase() === lower)) {
      this.refuse(`${written} ${name}`, "A header can occur once: the first one is taken.");
    } else {
      this.headers.push({ name, value, secret: looksSecret(name, value) });
    }
  }

  private header(name: string): string | null {
    return this.headers.find((header) => header.name.toLowerCase() === name)?.value ?? null;
  }

  private drop(name: string): void {
    const index = this.headers.findIndex((header) => header.name.toLowerCase() === name);
    if (index >= 0) {
      this.headers.splice(index, 1);
    }
  }

  result(): ReadCurl {
    const url = this.finishedUrl();
    if (this.user !== null && this.header("authorization") === null) {
      this.setBasic(this.user);
    }
    if (this.cookies.length > 0) {
      this.setHeader("Cookie", this.cookies.join("; "), "--cookie");
    }
    if (this.compressed) {
      this.drop("accept-encoding");
    }
    const data = this.get ? null : this.data;
    const body = this.body(data);
    return {
      request: {
        method: this.finishedMethod(data !== null),
        url,
        headers: this.headers,
        body,
        timeoutMs: this.finishedTimeout(),
        redirects: this.finishedRedirects(),
        retry: this.finishedRetry(),
      },
      notTaken: this.notTaken,
    };
  }

  private finishedMethod(hasBody: boolean): HttpMethod {
    const method = this.method ?? (this.head ? "HEAD" : hasBody ? "POST" : "GET");
    if (METHODS.includes(method)) {
      return method as HttpMethod;
    }
    this.refuse(`--request ${method}`, `The methods are ${METHODS.join(", ")}.`);
    return hasBody ? "POST" : "GET";
  }

  private finishedUrl(): string {
    if (this.url === null) {
      throw new NotCurl("The command has no URL.");
    }
    let url = this.url.replace(/#.*$/, "");
    if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(url)) {
      url = `http://${url}`;
    }
    const userinfo = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#@]*)@/i.exec(url);
    if (userinfo !== null) {
      url = userinfo[1]! + url.slice(userinfo[0].length);
      this.user ??= decoded(userinfo[2]!);
    }
    if (this.globbing && /[{}]|\[[^\]]*-[^\]]*\]/.test(url.replace(/^[^/]*\/\/\[[^\]]*\]/, ""))) {
      this.refuse(url, "curl makes several URLs of braces and ranges in brackets; a task calls one.");
    }
    const query = [...(this.get && this.data !== null ? [this.data] : []), ...this.urlQuery].filter((part) => part !== "").join("&");
    return query === "" ? url : `${url}${!url.includes("?") ? "?" : /[?&]$/.test(url) ? "" : "&"}${query}`;
  }

  private setBasic(user: string): void {
    if (!user.includes(":")) {
      this.refuse(`--user ${user}`, "The password is missing, for which curl asks: write --user name:password.");
      return;
    }
    const bytes = new TextEncoder().encode(user);
    this.setHeader("Authorization", `Basic ${btoa(String.fromCharCode(...bytes))}`, "--user");
  }

  /** Return the body. A Content-Type that Duetime sets by itself is dropped from the headers. */
  private body(data: string | null): CurlBody {
    if (this.json && this.header("accept") === null && !this.withoutHeaders.has("accept")) {
      this.setHeader("Accept", "application/json", "--json");
    }
    if (data === null) {
      return { kind: "none" };
    }
    const given = this.header("content-type");
    const type = given ?? (this.json ? "application/json" : FORM_TYPE);
    const mediaType = type.split(";")[0]!.trim().toLowerCase();
    if ((mediaType === "application/json" || mediaType.endsWith("+json")) && isJson(data)) {
      if (type.toLowerCase() === "application/json") {
        this.drop("content-type");
      }
      return { kind: "json", text: data };
    }
    const fields = type.toLowerCase() === FORM_TYPE ? formFields(data) : null;
    if (fields !== null) {
      this.drop("content-type");
      return { kind: "form", fields };
    }
    if (given === null && !this.withoutHeaders.has("content-type")) {
      if (/^\s*[[{]/.test(data) && isJson(data)) {
        this.refuse("--data", `curl sends this JSON as ${FORM_TYPE}, and so does the task. Choose JSON if the target expects it.`);
      }
      this.setHeader("Content-Type", type, "--data");
    }
    return { kind: "text", text: data };
  }

  private finishedTimeout(): number | null {
    if (this.timeoutMs === null || this.timeoutMs === 0) {
      return null;
    }
    if (this.timeoutMs > LONGEST_TIMEOUT_MS) {
      this.refuse("--max-time", "The timeout is at most one hour, which is taken.");
    }
    return Math.min(Math.max(this.timeoutMs, 1), LONGEST_TIMEOUT_MS);
  }

  private finishedRedirects(): number {
    if (!this.follows) {
      return 0;
    }
    if (this.maxRedirs !== null && (this.maxRedirs > MOST_REDIRECTS || this.maxRedirs < 0)) {
      this.refuse("--max-redirs", `At most ${MOST_REDIRECTS} redirects are followed, which is taken.`);
    }
    return this.maxRedirs === null || this.maxRedirs < 0 ? MOST_REDIRECTS : Math.min(this.maxRedirs, MOST_REDIRECTS);
  }

  private finishedRetry(): CurlRequest["retry"] {
    if (this.retries === null) {
      return null;
    }
    return {
      maxAttempts: Math.min(Math.max(Math.trunc(this.retries), 0) + 1, MOST_ATTEMPTS),
      initialDelayMs: this.retryDelayMs,
      maxElapsedMs: this.retryMaxMs === 0 ? null : this.retryMaxMs,
    };
  }
}
