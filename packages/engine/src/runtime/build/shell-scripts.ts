/**
 * The scripts around a build's shell.
 *
 * The shell belongs to the build: its options, traps, functions, aliases, redirections and variables may be anything.
 * So what runs in it between two commands is one list that was read before the first command (no alias or `set -v`
 * reaches it), runs no name that a function can take (`builtin` in bash; special builtins in dash, which functions
 * cannot replace), assigns nothing, and writes nothing to the build's own output. The rest is done by small programs
 * with shells of their own: they inherit the exported variables and the directory, and nothing else.
 */
export interface SessionFiles {
  readonly directory: string;
  /** Output of everything. A named pipe, so that a marker stands exactly behind the output before it. */
  readonly output: string;
  /** Named pipe with what is to be done next. */
  readonly orders: string;
  readonly marker: string;
  /** Path and options of the shell that runs the commands. */
  readonly shell: readonly string[];
  readonly kind: 'bash' | 'posix';
  /** Names of variables whose values are written down after each command. */
  readonly watched: readonly string[];
}

/** Words that the host writes into the pipe of orders. Anything else names the command to run. */
export const ORDERS = { start: 'start', fresh: 'fresh', expand: 'expand', end: 'end' } as const;

const SILENT = '>/dev/null 2>&1';

/** Starts the shells of the build, one after the other, and reports how each ended. It says nothing itself. */
export function supervisorScript(files: SessionFiles): string {
  const at = pathIn(files);
  const shell = files.shell.map(quote).join(' ');
  return `exec >${quote(files.output)} 2>/dev/null </dev/null
/bin/sh ${at('save.sh')}
while read -r order <${quote(files.orders)}; do
  : >${at('ended')}
  : >${at('number')}
  case $order in
    ${ORDERS.start}) (exec /usr/bin/env -i ${shell} ${at('driver.sh')} 2>&1) ;;
    ${ORDERS.fresh}) (exec ${shell} ${at('script.sh')} 2>&1) ;;
    ${ORDERS.expand}) (exec /usr/bin/env -i ${shell} ${at('expand.sh')} 2>&1) ;;
    *) exit 0 ;;
  esac
  printf '%s exit %s\\n' ${quote(files.marker)} "$?"
done
`;
}

/**
 * What the shell itself runs: command after command, and between them the list described above. After `set -n` nothing
 * runs any more: `until` ends there, where `while` would turn for ever.
 */
export function driverScript(files: SessionFiles): string {
  const at = pathIn(files);
  const own = files.kind === 'bash' ? 'builtin ' : '';
  const keepTraps =
    files.kind === 'bash'
      ? `builtin trap -p DEBUG >|${at('trap.DEBUG')}; builtin trap -p ERR >|${at('trap.ERR')}; builtin trap - DEBUG ERR; `
      : '';
  return `${restoreState(at)}
trap '{ /bin/sh '${quote(at('save.sh'))}'; } ${SILENT}' EXIT
if { /bin/sh ${at('next.sh')}; } ${SILENT}; then
  until ! ${own}:; do
    ${own}. ${at('script.sh')}
    { /bin/sh ${at('ended.sh')} "$?" "$-"; ${keepTraps}${own}set +xv; /bin/sh ${at('next.sh')}; } ${SILENT} || ${own}break
  done
fi
`;
}

/** Writes down exported variables and directory, for the shell that follows and for the end of the build. */
export function saveScript(files: SessionFiles): string {
  const at = pathIn(files);
  const values = files.watched.map((name) => `printf '%s' "\${${name}+=$${name}}" >${at(`value.${name}`)}`);
  return `${CLEAN}
export PWD
export -p >${at('environment')}
${values.join('\n')}
`;
}

/** After a command: its exit status and the shell's options. */
export function endedScript(files: SessionFiles): string {
  const at = pathIn(files);
  return `${CLEAN}
/bin/sh ${at('save.sh')}
[ -s ${at('number')} ] && printf '%s %s\\n' "$1" "$2" >${at('ended')}
`;
}

/** Reports the command that has ended, and waits for the next. Fails when there is none. */
export function nextScript(files: SessionFiles): string {
  const at = pathIn(files);
  return `${CLEAN}
if read -r result <${at('ended')}; then
  : >${at('ended')}
  printf '%s ended %s\\n' ${quote(files.marker)} "$result" >${quote(files.output)}
fi
read -r order <${quote(files.orders)} || exit 1
[ "$order" != ${ORDERS.end} ] || exit 1
printf '%s\\n' "$order" >${at('number')}
`;
}

/** Writes each text as the shell reads it between double quotes, followed by a NUL byte. */
export function expandScript(files: SessionFiles, texts: readonly string[]): string {
  const at = pathIn(files);
  const words = texts.map((text) => `"${text.replace(/[\\"`]/g, '\\$&')}"`);
  return `${restoreState(at)}
printf '%s\\0' ${words.join(' ')} >${at('expanded')}
`;
}

/** What the build's shell had set, put before the next command, which would otherwise run with the driver's settings. */
export function prelude(
  kind: SessionFiles['kind'],
  state: {
    readonly flags: string;
    readonly traps: readonly string[];
    readonly exports: Readonly<Record<string, string>>;
  },
): string {
  const own = kind === 'bash' ? '\\builtin ' : '\\';
  const lines = Object.entries(state.exports).map(([name, value]) => `${own}export ${name}=${quote(value)}`);
  for (const trap of state.traps) if (trap !== '') lines.push(`${own}${trap.trimEnd()}`);
  const options = [...'xv'].filter((option) => state.flags.includes(option)).join('');
  if (options !== '') lines.push(`${own}set -${options}`);
  return lines.length === 0 ? '' : `{ ${lines.join('\n')}\n} ${SILENT}\n`;
}

/** Exported functions, which bash takes over from the environment, do not replace what a program runs. */
const CLEAN = `unset -f printf read export unset pwd command [ : 2>/dev/null
umask 077`;

function restoreState(at: (name: string) => string): string {
  return `. ${at('environment')}
cd -- "$PWD"`;
}

function pathIn(files: SessionFiles): (name: string) => string {
  return (name) => quote(`${files.directory}/${name}`);
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
