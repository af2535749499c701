import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, globSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundleController } from './bundle-controller.ts';

// `npm run build` of each package: compiles it from nothing into its dist, and adds what tsc does not make.
const root = join(import.meta.dirname, '..');

rmSync('dist', { recursive: true, force: true });
compile('tsconfig.build.json');
copyFileSync(join(root, 'LICENSE'), 'LICENSE');
for (const file of globSync('**/*.py', { cwd: 'src' })) copyFileSync(join('src', file), join('dist', file));
if (process.env.npm_package_name === '@queue-canary/constructs') await bundleController();
if (process.env.npm_package_name === 'queue-canary') {
  compile(join(root, 'examples/app/tsconfig.build.json'), '--outDir', 'dist/examples/app');
  cpSync(join(root, 'examples/sample-app'), 'dist/examples/sample-app', {
    recursive: true,
    filter: (path) => !/[\\/](node_modules|test)$/.test(path),
  });
}

function compile(project: string, ...options: string[]): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', project, ...options], { stdio: 'inherit' });
}
