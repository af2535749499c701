import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const source = join(root, 'packages', 'controller', 'src', 'main.ts');
const target = join(root, 'packages', 'constructs', 'assets', 'controller');

/**
 * Bundles the controller into the asset that the constructs deploy, and returns the path of the bundle.
 *
 * The AWS SDK stays outside: the Lambda runtime brings it. Nothing is minified, and the same sources
 * give the same bytes on every machine, so the asset's hash changes only when the controller does.
 */
export async function bundleController(): Promise<string> {
  if (!existsSync(source)) {
    throw new Error(
      `cannot bundle the controller: ${source} does not exist. Check out packages/controller first.`,
    );
  }
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  const outfile = join(target, 'index.js');
  await build({
    absWorkingDir: root,
    entryPoints: [source],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    external: ['@aws-sdk/*'],
    conditions: ['@queue-canary/source'],
    minify: false,
    sourcemap: false,
    legalComments: 'none',
    logLevel: 'error',
  });
  return outfile;
}

if (import.meta.main) {
  try {
    console.log(await bundleController());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
