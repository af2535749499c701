import { DockerfileError, unsupported } from './dockerfile-error.ts';

/** An instruction as it stands in the file, with the documents that follow it. */
export interface LogicalLine {
  readonly line: number;
  readonly text: string;
  readonly hereDocuments: readonly HereDocument[];
}

export interface HereDocument {
  readonly name: string;
  /** Whether its lines lose their leading tabs (`<<-`). */
  readonly stripsTabs: boolean;
  readonly lines: readonly string[];
}

/** Joins continued lines and drops comments and blank lines, keeping the number of each first line. */
export function logicalLines(text: string): { lines: LogicalLine[]; errors: DockerfileError[] } {
  const raw = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const errors = refuseDirectives(raw);
  const lines: LogicalLine[] = [];
  let pending: { line: number; parts: string[] } | undefined;
  let index = 0;
  const finish = () => {
    if (pending === undefined) return;
    const { line, parts } = pending;
    pending = undefined;
    const joined = parts.join('');
    const opened = /^\s*(RUN|COPY|ADD)\s/i.test(joined) ? hereDocumentsIn(joined) : [];
    const hereDocuments = opened.map((document) => {
      const body: string[] = [];
      for (; index < raw.length; index++) {
        const content = document.stripsTabs ? raw[index]!.replace(/^\t+/, '') : raw[index]!;
        if (content === document.name) break;
        body.push(content);
      }
      if (index === raw.length)
        errors.push(
          new DockerfileError('InvalidDockerfile', line, `the here-document ${document.name} does not end.`),
        );
      index++;
      return { ...document, lines: body };
    });
    lines.push({ line, text: joined, hereDocuments });
  };
  while (index < raw.length) {
    const current = raw[index++]!;
    if (/^\s*(#|$)/.test(current)) continue;
    const continued = current.trimEnd().endsWith('\\');
    pending ??= { line: index, parts: [] };
    pending.parts.push(continued ? current.trimEnd().slice(0, -1) : current);
    if (!continued) finish();
  }
  finish();
  return { lines, errors };
}

/** Directives stand in comments before anything else. Only one of them changes what the lines mean. */
function refuseDirectives(lines: readonly string[]): DockerfileError[] {
  for (const [index, raw] of lines.entries()) {
    const directive = /^\s*#\s*([a-z]+)\s*=\s*(\S+)\s*$/i.exec(raw);
    if (directive === null) return [];
    if (directive[1]!.toLowerCase() === 'escape' && directive[2] !== '\\')
      return [unsupported(`The directive escape=${directive[2]}`, index + 1)];
  }
  return [];
}

/** What `<<` opens outside quotes; `<<<` is something else, and so is a shift in arithmetic. */
export function hereDocumentsIn(text: string): { name: string; stripsTabs: boolean }[] {
  const found: { name: string; stripsTabs: boolean }[] = [];
  const opening = /<<(-?)\s*(["']?)([A-Za-z_]\w*)\2/y;
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '\\' && quote !== "'") index++;
    else if (quote !== '') quote = character === quote ? '' : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (character === '<' && text[index - 1] !== '<') {
      opening.lastIndex = index;
      const [all, dash, , name] = opening.exec(text) ?? [];
      if (all === undefined) continue;
      found.push({ name: name!, stripsTabs: dash === '-' });
      index += all.length - 1;
    }
  }
  return found;
}
