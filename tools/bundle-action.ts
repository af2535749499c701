import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { CHECKOUT } from './packages.ts';

/** Where action.yml says that its program is. */
const PROGRAM = join('action', 'dist', 'index.mjs');

/**
 * Bundles the GitHub Action with all that it needs, since a runner installs nothing, and writes the licences of what is
 * in it. Returns the path of the bundle. The same sources give the same bytes on every machine.
 */
export async function bundleAction(into: string = CHECKOUT): Promise<string> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: CHECKOUT,
    entryPoints: ['action/main.ts'],
    write: false,
    metafile: true,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // The SDK as modules, of which only what is used is taken. As CommonJS it comes whole.
    mainFields: ['module', 'main'],
    // What there is as CommonJS only requires Node's modules.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    // The action takes the engine's clock, and starts no engine.
    external: ['./engine.ts'],
    conditions: ['@queue-canary/source'],
    minify: true,
    legalComments: 'none',
    logLevel: 'silent',
  });
  const [bundle] = outputFiles;
  if (bundle === undefined) throw new Error('esbuild made nothing of action/main.ts');
  const program = join(into, PROGRAM);
  await mkdir(join(program, '..'), { recursive: true });
  await writeFile(program, bundle.contents);
  await writeFile(join(program, '..', 'licences.txt'), await licencesOf(filesIn(metafile)));
  return program;
}

/** The files of which something is in the bundle. */
function filesIn({ outputs }: Metafile): string[] {
  return Object.values(outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter((file) => inputs[file]!.bytesInOutput > 0),
  );
}

/** The licences of the packages that files are of, each text once. */
async function licencesOf(files: readonly string[]): Promise<string> {
  const packages = new Set(
    files.flatMap((file) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []),
  );
  const under = new Map<string, string[]>();
  for (const directory of [...packages].sort()) {
    const path = join(CHECKOUT, directory);
    const { name, version, license } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8')) as {
      readonly name: string;
      readonly version: string;
      readonly license: string;
    };
    const texts = (await readdir(path)).filter((file) => /^(licen[cs]e|notice)/i.test(file)).sort();
    const text = (await Promise.all(texts.map((file) => readFile(join(path, file), 'utf8')))).join('\n\n');
    under.set(text, [...(under.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  return [...under].map(([text, names]) => `${names.join('\n')}\n\n${text}`).join(`\n${'-'.repeat(72)}\n\n`);
}

if (import.meta.main) {
  try {
    console.log(await bundleAction());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
