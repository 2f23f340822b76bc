// Splits a command line into its words, as the shell that it was written for does: bash, or cmd.exe on Windows.

export interface CommandLine {
  words: string[];
  /** The references such as $TOKEN or $(date), which only a shell can replace. They stay in the words as they are written. */
  references: string[];
  /** What follows the command, from a `|`, `;`, `&`, `>` or line break on; "" if nothing does. */
  rest: string;
}

/** The command line ends within a quotation. The message names the quotation mark. */
export class OpenQuotation extends Error {}

const CMD = /\^[ \t]*\r?\n|(?:^|\s)\^"/;
const ENDS_COMMAND = "|;&<>\n";
const REFERENCE = /\$(?:\w+|\{[^}]*\}|\([^)]*\)|[?@*#!$-])|`[^`]*`/y;
const ESCAPED_IN_DOUBLE_QUOTES = '$`"\\';
const ESCAPES: Record<string, string> = { a: "\x07", b: "\b", e: "\x1b", E: "\x1b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
const NUMERIC_ESCAPE = /\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3}))/y;

/** Return the words of the first command of a text. Throws OpenQuotation. */
export function split(text: string): CommandLine {
  return CMD.test(text) ? splitForCmd(text) : splitForBash(text.replaceAll("\r\n", "\n"));
}

function splitForBash(text: string): CommandLine {
  const words: string[] = [];
  const references: string[] = [];
  let word: string | null = null;
  let position = 0;

  /** Return the reference at the position, which is noted and passed; null if there is none. */
  const reference = (): string | null => {
    REFERENCE.lastIndex = position;
    const found = REFERENCE.exec(text)?.[0];
    if (found === undefined) {
      return null;
    }
    references.push(found);
    position += found.length;
    return found;
  };

  const doubleQuoted = (): string => {
    let content = "";
    while (position < text.length && text[position] !== '"') {
      if (text[position] === "\\") {
        const next = text[position + 1] ?? "";
        content += next === "\n" ? "" : ESCAPED_IN_DOUBLE_QUOTES.includes(next) ? next : `\\${next}`;
        position += 2;
      } else {
        content += reference() ?? text[position++];
      }
    }
    if (position >= text.length) {
      throw new OpenQuotation('A double quotation mark (") is not closed.');
    }
    position += 1;
    return content;
  };

  while (position < text.length) {
    const character = text[position]!;
    if (character === " " || character === "\t") {
      if (word !== null) {
        words.push(word);
      }
      word = null;
      position += 1;
    } else if (ENDS_COMMAND.includes(character)) {
      break;
    } else if (character === "#" && word === null) {
      position = text.indexOf("\n", position);
      break;
    } else if (character === "\\") {
      if (text[position + 1] !== "\n") {
        word = (word ?? "") + (text[position + 1] ?? "");
      }
      position += 2;
    } else if (character === "'") {
      const end = text.indexOf("'", position + 1);
      if (end < 0) {
        throw new OpenQuotation("A single quotation mark (') is not closed.");
      }
      word = (word ?? "") + text.slice(position + 1, end);
      position = end + 1;
    } else if (character === '"' || text.startsWith('$"', position)) {
      position += character === '"' ? 1 : 2;
      word = (word ?? "") + doubleQuoted();
    } else if (text.startsWith("$'", position)) {
      const [content, end] = ansiQuoted(text, position + 2);
      word = (word ?? "") + content;
      position = end;
    } else {
      word = (word ?? "") + (reference() ?? text[position++]);
    }
  }
  if (word !== null) {
    words.push(word);
  }
  return { words, references, rest: position < 0 ? "" : text.slice(position).trim() };
}

/** Return the content of $'…' that begins at `start`, and the position after it. Bytes in escapes are read as UTF-8. */
function ansiQuoted(text: string, start: number): [string, number] {
  const bytes: number[] = [];
  const add = (character: string): void => void bytes.push(...new TextEncoder().encode(character));
  let position = start;
  while (text[position] !== "'") {
    if (position >= text.length) {
      throw new OpenQuotation("A quotation that begins with $' is not closed.");
    }
    const character = String.fromCodePoint(text.codePointAt(position)!);
    NUMERIC_ESCAPE.lastIndex = position;
    const number = NUMERIC_ESCAPE.exec(text);
    if (number !== null) {
      const [whole, byte, unicode, longUnicode, octal] = number;
      if (byte !== undefined) {
        bytes.push(parseInt(byte, 16));
      } else if (octal !== undefined) {
        bytes.push(parseInt(octal, 8) & 0xff);
      } else {
        position += addUnicode(text, position + whole.length, parseInt((unicode ?? longUnicode)!, 16), add);
      }
      position += whole.length;
    } else if (character === "\\") {
      const next = text[position + 1] ?? "";
      add(ESCAPES[next] ?? ("\\'\"?".includes(next) ? next : `\\${next}`));
      position += 2;
    } else {
      add(character);
      position += character.length;
    }
  }
  return [new TextDecoder().decode(new Uint8Array(bytes)), position + 1];
}

/**
 * Add a character by its code. Chrome writes one beyond U+FFFF as two escapes, the halves of a surrogate pair: then return the
 * length of the second escape, which begins at `next`, or else 0.
 */
function addUnicode(text: string, next: number, code: number, add: (character: string) => void): number {
  const low = /^\\u([dD][c-fC-F][0-9a-fA-F]{2})/.exec(text.slice(next, next + 6));
  if (code >= 0xd800 && code <= 0xdbff && low !== null) {
    add(String.fromCharCode(code, parseInt(low[1]!, 16)));
    return low[0].length;
  }
  add(code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd");
  return 0;
}

/** cmd.exe first removes its carets; the C runtime of the program then splits the line. */
function splitForCmd(text: string): CommandLine {
  const [line, rest] = withoutCarets(text.replaceAll("\r\n", "\n"));
  const words: string[] = [];
  let word: string | null = null;
  let quoted = false;
  for (let position = 0; position < line.length; position += 1) {
    const character = line[position]!;
    const backslashes = /^\\*/.exec(line.slice(position))![0].length;
    if (backslashes > 0 && line[position + backslashes] === '"') {
      word = (word ?? "") + "\\".repeat(Math.floor(backslashes / 2)) + (backslashes % 2 ? '"' : "");
      position += backslashes - (backslashes % 2 ? 0 : 1);
    } else if (backslashes > 0) {
      word = (word ?? "") + "\\".repeat(backslashes);
      position += backslashes - 1;
    } else if (character === '"') {
      if (quoted && line[position + 1] === '"') {
        word += '"';
        position += 1;
      } else {
        quoted = !quoted;
        word ??= "";
      }
    } else if (!quoted && /\s/.test(character)) {
      if (word !== null) {
        words.push(word);
      }
      word = null;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quoted) {
    throw new OpenQuotation('A double quotation mark (") is not closed.');
  }
  if (word !== null) {
    words.push(word);
  }
  return { words, references: [], rest };
}

/** Return the line that cmd.exe passes on, and what follows it. Within quotation marks, a caret is an ordinary character. */
function withoutCarets(text: string): [string, string] {
  let line = "";
  let quoted = false;
  for (let position = 0; position < text.length; position += 1) {
    const character = text[position]!;
    if (character === "^" && !quoted) {
      // A caret before a line break removes it, with blanks between both that were pasted along, and escapes what follows.
      const blanks = /^[ \t]*\n/.exec(text.slice(position + 1))?.[0].length ?? 0;
      position += blanks + 1;
      line += text[position] ?? "";
    } else if (!quoted && "|&<>\n".includes(character)) {
      return [line, text.slice(position).trim()];
    } else {
      quoted = character === '"' ? !quoted : quoted;
      line += character;
    }
  }
  return [line, ""];
}
