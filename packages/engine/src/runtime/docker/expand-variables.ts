/**
 * Replaces `$name`, `${name}`, `${name:-word}` and `${name:+word}` and removes quotes and backslashes, as
 * Docker does in every instruction other than RUN, CMD and ENTRYPOINT. Unset variables become empty.
 *
 * Single quotes keep their content as it is. Throws on any other form of `${...}`.
 */
export function expandVariables(text: string, variables: Readonly<Record<string, string>>): string {
  let result = '';
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (quote === "'") {
      if (character === "'") quote = '';
      else result += character;
    } else if (character === '\\' && index + 1 < text.length) {
      const next = text[++index]!;
      result += quote === '"' && !'"$\\'.includes(next) ? `\\${next}` : next;
    } else if (character === '"' || (character === "'" && quote === '')) {
      quote = quote === character ? '' : character;
    } else if (character === '$') {
      const { value, end } = variableAt(text, index, variables);
      result += value;
      index = end - 1;
    } else {
      result += character;
    }
  }
  return result;
}

function variableAt(
  text: string,
  start: number,
  variables: Readonly<Record<string, string>>,
): { value: string; end: number } {
  const plain = /^\$([A-Za-z_]\w*)/.exec(text.slice(start));
  if (plain !== null) return { value: lookUp(variables, plain[1]!) ?? '', end: start + plain[0].length };
  if (text[start + 1] !== '{') return { value: '$', end: start + 1 };
  const end = closingBrace(text, start + 2);
  const body = text.slice(start + 2, end);
  const form = /^([A-Za-z_]\w*)(?:(:[-+])([\s\S]*))?$/.exec(body);
  if (end < 0 || form === null)
    throw new Error(
      `"\${${end < 0 ? text.slice(start + 2) : body}}" is not a form of variable that is supported.`,
    );
  const [, name = '', operator, word = ''] = form;
  const value = lookUp(variables, name) ?? '';
  const chosen =
    operator === ':-'
      ? value || expandVariables(word, variables)
      : operator === ':+'
        ? value && expandVariables(word, variables)
        : value;
  return { value: chosen, end: end + 1 };
}

function closingBrace(text: string, start: number): number {
  let depth = 1;
  for (let index = start; index < text.length; index++) {
    if (text[index] === '{' && text[index - 1] === '$') depth++;
    if (text[index] === '}' && --depth === 0) return index;
  }
  return -1;
}

function lookUp(variables: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(variables, name) ? variables[name] : undefined;
}
