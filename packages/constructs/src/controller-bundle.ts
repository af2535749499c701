import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The bundle that the package ships, with the controller and the checkpoint; see `tools/bundle-controller.ts`. */
export const CONTROLLER_BUNDLE = join(import.meta.dirname, '..', 'assets', 'controller');

/** Throws when a checkout has not made it yet. */
export function requireControllerBundle(): void {
  if (existsSync(join(CONTROLLER_BUNDLE, 'index.js')) && existsSync(join(CONTROLLER_BUNDLE, 'checkpoint.js')))
    return;
  throw new Error(
    `the controller bundle is missing at ${CONTROLLER_BUNDLE}: in a checkout run "node tools/bundle-controller.ts", otherwise reinstall the package`,
  );
}
