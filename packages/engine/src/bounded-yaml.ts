import { createRequire } from 'node:module';

type Yaml = typeof import('yaml');

let loaded: Yaml | undefined;

/** The YAML library. It is loaded with the first document, since its seventy modules are a tenth of all that the engine has. */
export function yaml(): Yaml {
  loaded ??= createRequire(import.meta.url)('yaml') as Yaml;
  return loaded;
}

/** AWS's limit of a template that is given in a call; larger ones, from S3, must be JSON here. */
const TEXT_BYTES_MAX = 51_200;
const DEPTH_MAX = 128;
const TOKENS_MAX = 20_000;

/**
 * What is too much in a YAML text, or `undefined`. Reading YAML takes a hundred times as long as reading JSON, and
 * nesting without end is the end of the process: so a text that asks for more than these bounds is not read.
 */
export function excessOfYaml(text: string): string | undefined {
  if (Buffer.byteLength(text) > TEXT_BYTES_MAX) return `is longer than ${TEXT_BYTES_MAX} bytes`;
  let tokens = 0;
  let flowDepth = 0;
  /** Collections that may begin in this line: its indentation, and each dash and question mark. */
  let blockDepth = 0;
  for (const token of new (yaml().Lexer)().lex(text)) {
    if (++tokens > TOKENS_MAX) return `has more than ${TOKENS_MAX} tokens`;
    if (token === '\n' || token === '\r\n') blockDepth = 0;
    else if (/^ +$/.test(token)) blockDepth += token.length;
    else if (token === '-' || token === '?') blockDepth++;
    else if (token === '[' || token === '{') flowDepth++;
    else if (token === ']' || token === '}') flowDepth--;
    if (flowDepth > DEPTH_MAX || blockDepth > 2 * DEPTH_MAX)
      return `is nested more than ${DEPTH_MAX} levels deep`;
  }
  return undefined;
}
