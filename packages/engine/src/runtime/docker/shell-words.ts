/** One word of a shell command. */
export interface ShellWord {
  /** Without its quotes. */
  readonly text: string;
  /** Whether a quote is in it: then it may be a program or a pattern for the command rather than a path. */
  readonly quoted: boolean;
  /** Whether it says where input comes from or output goes to. */
  readonly redirected: boolean;
}

/** Words of the shell after which a command begins. */
const BEFORE_COMMAND = new Set(['if', 'then', 'do', 'else', 'elif', 'while', 'until', '!', '{', '(', 'time']);

/**
 * The simple commands of a shell text, each as its words, those in substitutions among them.
 *
 * This reads as much of the shell's language as it takes to tell commands from their arguments. Comments are read like
 * commands.
 */
export function simpleCommands(text: string): ShellWord[][] {
  return new Reader(text).read();
}

class Reader {
  readonly #text: string;
  readonly #commands: ShellWord[][] = [];
  #words: ShellWord[] = [];
  #word = '';
  #quoted = false;
  #inWord = false;
  #redirected = false;

  constructor(text: string) {
    this.#text = text;
  }

  read(): ShellWord[][] {
    const text = this.#text;
    let index = 0;
    while (index < text.length) {
      const character = text[index]!;
      if (character === '\\') {
        if (text[index + 1] !== '\n') this.#add(text[index + 1] ?? '');
        index += 2;
      } else if (character === "'") {
        const end = closing(text, index + 1, "'");
        this.#addQuoted(text.slice(index + 1, end));
        index = end + 1;
      } else if (character === '"') {
        index = this.#readDoubleQuoted(index + 1);
      } else if (character === '$' && text[index + 1] === '(' && text[index + 2] !== '(') {
        index = this.#readSubstitution(index + 2, ')');
      } else if (character === '`') {
        index = this.#readSubstitution(index + 1, '`');
      } else if (/[;&|()\n]/.test(character)) {
        // `>&` and `&>` belong to a redirection.
        if (character === '&' && (text[index - 1] === '>' || text[index - 1] === '<')) index++;
        else if (character === '&' && text[index + 1] === '>') index++;
        else {
          this.#endCommand();
          index++;
        }
      } else if (character === '<' || character === '>') {
        if (/^\d*$/.test(this.#word)) this.#forgetWord();
        else this.#endWord();
        this.#redirected = true;
        index++;
      } else if (/\s/.test(character)) {
        this.#endWord();
        index++;
      } else {
        this.#add(character);
        index++;
      }
    }
    this.#endCommand();
    return this.#commands;
  }

  #readDoubleQuoted(start: number): number {
    const text = this.#text;
    this.#addQuoted('');
    let index = start;
    while (index < text.length && text[index] !== '"') {
      if (text[index] === '\\') {
        this.#add(text[index + 1] ?? '');
        index += 2;
      } else if (text[index] === '$' && text[index + 1] === '(' && text[index + 2] !== '(') {
        index = this.#readSubstitution(index + 2, ')');
      } else if (text[index] === '`') {
        index = this.#readSubstitution(index + 1, '`');
      } else {
        this.#add(text[index]!);
        index++;
      }
    }
    return index + 1;
  }

  /** What a command prints stands for itself in the word; its own commands are read apart. */
  #readSubstitution(start: number, end: ')' | '`'): number {
    const close = end === '`' ? closing(this.#text, start, '`') : closingParenthesis(this.#text, start);
    this.#commands.push(...simpleCommands(this.#text.slice(start, close)));
    this.#add('$');
    return close + 1;
  }

  #add(text: string): void {
    this.#inWord = true;
    this.#word += text;
  }

  #addQuoted(text: string): void {
    this.#quoted = true;
    this.#add(text);
  }

  #endWord(): void {
    if (!this.#inWord) return;
    const word = { text: this.#word, quoted: this.#quoted, redirected: this.#redirected };
    const plain = !word.quoted && !word.redirected;
    if (!(plain && this.#words.length === 0 && BEFORE_COMMAND.has(word.text))) this.#words.push(word);
    this.#redirected = false;
    this.#forgetWord();
  }

  #forgetWord(): void {
    this.#word = '';
    this.#quoted = false;
    this.#inWord = false;
  }

  #endCommand(): void {
    this.#endWord();
    this.#redirected = false;
    if (this.#words.length > 0) this.#commands.push(this.#words);
    this.#words = [];
  }
}

function closing(text: string, start: number, end: string): number {
  const found = text.indexOf(end, start);
  return found < 0 ? text.length : found;
}

function closingParenthesis(text: string, start: number): number {
  let depth = 1;
  for (let index = start; index < text.length; index++) {
    const character = text[index]!;
    if (character === '\\') index++;
    else if (character === "'") index = closing(text, index + 1, "'");
    else if (character === '(') depth++;
    else if (character === ')' && --depth === 0) return index;
  }
  return text.length;
}
