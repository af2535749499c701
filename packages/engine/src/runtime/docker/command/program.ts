import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { ByteIds } from '../../../ids.ts';
import type { BuildToolsSettings } from '../build-tools.ts';
import { DockerCommand } from './docker-command.ts';

/** Composition root of the engine's `docker`: `program.ts SETTINGS_FILE ARGUMENT...`. */
const [settingsPath = '', ...args] = process.argv.slice(2);
const settings = JSON.parse(readFileSync(settingsPath, 'utf8')) as BuildToolsSettings;
const ids = new ByteIds();
const command = new DockerCommand({
  registryUrl: settings.registryUrl,
  registryHost: settings.registryHost,
  stateDirectory: settings.stateDirectory,
  nodePath: process.execPath,
  nodeVersion: process.versions.node,
  env: process.env,
  cwd: process.cwd(),
  newId: () => ids.hex(16),
  readInput: () => text(process.stdin),
  print: (line) => process.stdout.write(`${line}\n`),
  warn: (line) => process.stderr.write(`${line}\n`),
});
process.exitCode = await command.run(args);
