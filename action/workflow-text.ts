/** Kinds of annotations that a runner shows with the workflow. */
export type Level = 'notice' | 'warning' | 'error';

/** An annotation as a command to the runner. */
export function annotation(level: Level, text: string): string {
  const data = text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  return `::${level} title=queue-canary::${data}`;
}

/**
 * Text for the log. The runner obeys each line that begins with two colons, and `##[` anywhere in a line; what others
 * wrote, a commit message for example, must not give it commands.
 */
export function logged(text: string): string {
  return text.replace(/(^|[\r\n])([\s\u0085]*)::/g, '$1$2: :').replaceAll('##[', '# #[');
}

/** An output for the file in GITHUB_OUTPUT, whatever the value holds. */
export function output(name: string, value: string): string {
  let delimiter = 'END';
  while (value.includes(delimiter)) delimiter += '_';
  return `${name}<<${delimiter}\n${value}\n${delimiter}\n`;
}

/** Text that Markdown shows as it is, in one line: no link, no table cell, no HTML and no mention. */
export function shown(text: string): string {
  return text.replace(/[\\`*_[\]<>#|~&!:@$]/g, '\\$&').replace(/\s+/g, ' ');
}
