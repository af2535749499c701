import { DockerfileError, unsupported } from './dockerfile-error.ts';
import type { HereDocument } from './dockerfile-lines.ts';
import { isFileMode } from './file-mode.ts';

/** How a command is written: `exec` is run as it is, `shell` by the shell. */
export type CommandForm =
  | { readonly form: 'exec'; readonly words: readonly string[] }
  | { readonly form: 'shell'; readonly text: string };

export function parseFrom(rest: string, line: number): { image: string; stage?: string } {
  const words = rest.split(/\s+/);
  const flag = words.find((word) => word.startsWith('--'));
  if (flag !== undefined && !flag.startsWith('--platform=')) throw unsupported(`FROM ${flag}`, line);
  const [image, as, stage, ...more] = words.filter((word) => !word.startsWith('--'));
  const wellFormed =
    as === undefined ||
    (as.toUpperCase() === 'AS' && /^[a-z][\w.-]*$/i.test(stage ?? '') && more.length === 0);
  if (image === undefined || !wellFormed)
    throw new DockerfileError('InvalidDockerfile', line, 'write FROM image [AS name].');
  return stage === undefined ? { image } : { image, stage: stage.toLowerCase() };
}

export function parseArg(word: string, line: number): { name: string; value?: string } {
  const equals = word.indexOf('=');
  const name = equals < 0 ? word : word.slice(0, equals);
  if (!/^[A-Za-z_]\w*$/.test(name))
    throw new DockerfileError('InvalidDockerfile', line, `"${name}" is not a name for an argument.`);
  return equals < 0 ? { name } : { name, value: word.slice(equals + 1) };
}

export function parsePairs(kind: string, rest: string, line: number): { name: string; value: string }[] {
  const words = splitWords(rest, line);
  const [first = ''] = words;
  if (!first.includes('=')) {
    const old = /^(\S+)\s+([\s\S]+)$/.exec(rest);
    if (kind === 'LABEL' || old === null)
      throw new DockerfileError('InvalidDockerfile', line, `write ${kind} name=value.`);
    return [{ name: old[1]!, value: old[2]! }];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 1) throw new DockerfileError('InvalidDockerfile', line, `"${word}" is not name=value.`);
    return { name: unquote(word.slice(0, equals)), value: word.slice(equals + 1) };
  });
}

function unquote(text: string): string {
  return /^(["']).*\1$/s.test(text) ? text.slice(1, -1) : text;
}

/** The options before an instruction's arguments: `--name=value`, or `--name`. */
function takeFlags(rest: string): { flags: [name: string, value: string | undefined][]; text: string } {
  const flags: [string, string | undefined][] = [];
  let text = rest;
  for (;;) {
    const flag = /^--([a-z-]+)(?:=(\S+))?(?:\s+|$)/.exec(text);
    if (flag === null) return { flags, text };
    flags.push([flag[1]!, flag[2]]);
    text = text.slice(flag[0].length);
  }
}

export function parseCopy(
  kind: 'COPY' | 'ADD',
  rest: string,
  line: number,
): { sources: string[]; destination: string; chmod?: string; from?: string } {
  const { flags, text } = takeFlags(rest);
  const found: { chmod?: string; from?: string } = {};
  for (const [name, value] of flags) {
    // Layers record no owner, and a link is a matter of the cache.
    if ((name === 'chown' && value !== undefined) || name === 'link') continue;
    if (name === 'from' && kind === 'COPY' && value !== undefined) found.from = value;
    else if (name === 'chmod' && value !== undefined) {
      if (!isFileMode(value))
        throw new DockerfileError('InvalidDockerfile', line, `"${value}" is not a mode such as 755 or +x.`);
      found.chmod = value;
    } else throw unsupported(`${kind} --${name}`, line);
  }
  const words = parseJsonWords(text) ?? splitWords(text, line);
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2)
    throw new DockerfileError('InvalidDockerfile', line, `${kind} needs a source and a destination.`);
  const sources = words.slice(0, -1);
  const remote = sources.find((source) => /^(https?|git|ssh):\/\/|^git@/i.test(source));
  if (kind === 'ADD' && remote !== undefined) throw unsupported(`ADD of the address ${remote}`, line);
  return { sources, destination, ...found };
}

export function parseRun(rest: string, hereDocuments: readonly HereDocument[], line: number): CommandForm {
  const { flags, text } = takeFlags(rest);
  for (const [name, value = ''] of flags) {
    const type = /(?:^|,)type=([^,]*)/.exec(value)?.[1];
    // A cache mount is no part of the image, and the network is the machine's.
    if (name === 'mount' && type === 'cache') continue;
    if (name === 'network' && (value === 'default' || value === 'host')) continue;
    throw unsupported(name === 'mount' ? `RUN --mount=type=${type ?? 'bind'}` : `RUN --${name}`, line);
  }
  if (text === '') throw new DockerfileError('InvalidDockerfile', line, 'RUN needs an argument.');
  const [document] = hereDocuments;
  if (document === undefined) return parseCommand(text);
  const body = document.lines.join('\n');
  if (/^<<-?\s*(["']?)\w+\1$/.test(text)) {
    if (body.startsWith('#!')) throw unsupported('A here-document that names its program (#!)', line);
    return { form: 'shell', text: body };
  }
  const documents = hereDocuments.flatMap(({ name, lines }) => [...lines, name]);
  return { form: 'shell', text: [text, ...documents, ''].join('\n') };
}

/** As the image's configuration holds it: durations in nanoseconds. */
export interface Healthcheck {
  readonly Test: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

const HEALTHCHECK_TIMES: Readonly<Record<string, keyof Healthcheck>> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
};

export function parseHealthcheck(rest: string, line: number): Healthcheck {
  const invalid = (message: string) => new DockerfileError('InvalidDockerfile', line, message);
  const { flags, text } = takeFlags(rest);
  const settings: Record<string, number> = {};
  for (const [name, value = ''] of flags) {
    const time = HEALTHCHECK_TIMES[name];
    if (name === 'retries' && /^\d+$/.test(value)) settings.Retries = Number(value);
    else if (time !== undefined) {
      const nanoseconds = parseDuration(value);
      if (nanoseconds === undefined) throw invalid(`"${value}" is not a time such as 30s or 1m30s.`);
      settings[time] = nanoseconds;
    } else throw invalid(`HEALTHCHECK has no option --${name}=${value}.`);
  }
  if (/^none$/i.test(text)) return { Test: ['NONE'] };
  const command = /^cmd\s+([\s\S]+)$/i.exec(text)?.[1];
  if (command === undefined) throw invalid('write HEALTHCHECK [options] CMD command, or HEALTHCHECK NONE.');
  const words = parseJsonWords(command);
  return { Test: words === undefined ? ['CMD-SHELL', command] : ['CMD', ...words], ...settings };
}

const NANOSECONDS: Readonly<Record<string, number>> = { ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    sum += Number(amount) * NANOSECONDS[unit!]!;
  return Math.round(sum);
}

export function parseCommand(rest: string): CommandForm {
  const words = parseJsonWords(rest);
  return words === undefined ? { form: 'shell', text: rest } : { form: 'exec', words };
}

/** As in Docker, what looks like a list but is not valid JSON is a shell command. */
export function parseJsonWords(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Splits at blanks outside quotes. Quotes and backslashes stay: they matter until variables are replaced. */
export function splitWords(text: string, line: number): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '\\' && quote !== "'" && index + 1 < text.length) {
      word += character + text[++index]!;
    } else if (quote !== '') {
      word += character;
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") {
      word += character;
      quote = character;
    } else if (/\s/.test(character)) {
      if (word !== '') words.push(word);
      word = '';
    } else {
      word += character;
    }
  }
  if (quote !== '') throw new DockerfileError('InvalidDockerfile', line, `a ${quote} is not closed.`);
  if (word !== '') words.push(word);
  return words;
}
