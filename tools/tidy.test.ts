import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { circles } from './circles.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && !file.endsWith('.d.ts'))
  .flatMap((path) => {
    try {
      return [{ path, text: readFileSync(`${root}/${path}`, 'utf8') }];
    } catch {
      return []; // deleted in the work tree, still in the index
    }
  });
const sources = files.filter(({ path }) => !path.endsWith('.test.ts') && !/\/test\//.test(path));

/** Module specifiers that a file imports, static and dynamic, or resolves. */
function imports(text: string): string[] {
  return [
    ...text.matchAll(
      /(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+|\bresolve\((?=['"][^'"]+\/package\.json))['"]([^'"]+)['"]/g,
    ),
  ].map((match) => match[1]!);
}

function offenders(path: RegExp, allowed: (specifier: string, file: string) => boolean): string[] {
  return sources
    .filter((file) => path.test(file.path))
    .flatMap((file) =>
      imports(file.text)
        .filter((specifier) => !allowed(specifier, file.path))
        .map((specifier) => `${file.path} imports ${specifier}`),
    );
}

const own = (specifier: string) => specifier.startsWith('.');

test('core imports nothing but itself', () => {
  expect(offenders(/^packages\/core\//, own)).toEqual([]);
});

test('the worker imports no other package of ours', () => {
  expect(offenders(/^packages\/worker\//, (specifier) => !specifier.startsWith('@queue-canary/'))).toEqual(
    [],
  );
});

test('the controller imports core, and the AWS SDK only in its gateways', () => {
  expect(
    offenders(
      /^packages\/controller\//,
      (specifier, file) =>
        own(specifier) ||
        specifier === '@queue-canary/core' ||
        (specifier.startsWith('@aws-sdk/') && /\/(gateways\/|main\.ts$)/.test(file)),
    ),
  ).toEqual([]);
});

test('the constructs import CDK and plain values of core', () => {
  expect(
    offenders(
      /^packages\/constructs\//,
      (specifier) => own(specifier) || /^(aws-cdk-lib|constructs|node:|@queue-canary\/core$)/.test(specifier),
    ),
  ).toEqual([]);
});

test('the engine never imports CDK, the constructs or the controller', () => {
  expect(
    offenders(
      /^packages\/engine\//,
      (specifier) => !/^(aws-cdk|constructs$|cdk-nag|@queue-canary\/(?!core$))/.test(specifier),
    ),
  ).toEqual([]);
});

test('the services of the engine do not import each other', () => {
  expect(
    offenders(/^packages\/engine\/src\/services\/[^/]+\//, (specifier, file) => {
      const service = file.split('/')[4];
      const target = new URL(specifier, `file:///${file}`).pathname.slice(1);
      return (
        !own(specifier) || !target.includes('/src/services/') || target.includes(`/src/services/${service}/`)
      );
    }),
  ).toEqual([]);
});

test('the action is made of the command and core', () => {
  expect(
    offenders(
      /^action\//,
      (specifier) =>
        /^\.(\/|\.\/packages\/cli\/src\/)/.test(specifier) ||
        /^(node:|@queue-canary\/(core|engine)$)/.test(specifier),
    ),
  ).toEqual([]);
});

test('the apps are written against the public constructs', () => {
  expect(
    offenders(
      /^examples\/(app|adopt)\//,
      (specifier) =>
        own(specifier) ||
        /^(aws-cdk-lib|cdk-nag|constructs|node:|@queue-canary\/constructs$)/.test(specifier),
    ),
  ).toEqual([]);
});

test('the sample app stands alone: of ours, it imports the worker that it vendors', () => {
  expect(
    offenders(
      /^examples\/sample-app\//,
      (specifier, file) =>
        specifier === '@queue-canary/worker' ||
        specifier.startsWith('node:') ||
        (own(specifier) &&
          new URL(specifier, `file:///${file}`).pathname.startsWith('/examples/sample-app/')),
    ),
  ).toEqual([]);
});

/** Composition roots: programs that wire real time, randomness and the environment into the rest. */
const ROOTS =
  /^(packages\/engine\/src\/clock\/|packages\/engine\/src\/ids\.ts$|packages\/[^/]+\/src\/(?:[^/]+\/)?main\.ts$|packages\/worker\/src\/run-worker\.ts$|packages\/engine\/src\/runtime\/[^.]*program[^/]*$|bench\/|tools\/|examples\/)/;

test('time and randomness are ambient only in the clock and in composition roots', () => {
  const banned = /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bsetTimeout\(|\bsetInterval\(/;
  const found = files
    .filter(({ path }) => !ROOTS.test(path) && !path.endsWith('tidy.test.ts'))
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .map((line, index) => ({ line, where: `${path}:${index + 1}` }))
        .filter(({ line }) => banned.test(line.replace(/^\s*(\*|\/\/).*/, '')))
        .map(({ line, where }) => `${where} ${line.trim()}`),
    );
  expect(found).toEqual([]);
});

test('no file silences the type checker or the linter, or is left for later', () => {
  const banned =
    /@ts-ignore|@ts-nocheck|biome-ignore|eslint-disable|\b(TODO|FIXME|XXX|HACK)\b|\b(test|it|describe|suite)\.(skip|only|todo)\(|\bas any\b|as unknown as/;
  const found = files
    .filter(({ path }) => !path.endsWith('tidy.test.ts'))
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, index) => (banned.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [])),
    );
  expect(found).toEqual([]);
});

test('what the engine refuses comes with what to do, and nobody is sent to the pages for developers', () => {
  const ending = /(?:not supported by the local engine|local engine does not support [^:;'"`]*)\.?['"`]\)/;
  const found = sources
    .filter(({ path }) => path.startsWith('packages/'))
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .filter((line) => ending.test(line) || /['"`][^'"`]*CONTRIBUTING/.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
  expect(found).toEqual([]);
});

test('files are kebab-case and none is a drawer of leftovers', () => {
  const names = files.map(({ path }) => path.split('/').at(-1)!);
  expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config))?\.ts$/.test(name))).toEqual([]);
  expect(
    files
      .filter(({ path }) => /(^|\/)(utils?|helpers?|misc|common)(\.ts|\/)/.test(path))
      .map(({ path }) => path),
  ).toEqual([]);
});

test('every case is a `test`, and no title ends with a full stop', () => {
  const odd = /^\s*(it\b(\.\w+)*[(<`]|(test|describe)\((['"`]).*\.\4, )/;
  const found = files
    .filter(({ path }) => path.endsWith('.test.ts'))
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, index) => (odd.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [])),
    );
  expect(found).toEqual([]);
});

test('the name of a bound ends in _MAX or _MIN', () => {
  const bound =
    /\bconst ((MAX|MIN|MOST|LARGEST|LONGEST|SHORTEST|SMALLEST)_[A-Z_]+|[A-Z_]+_(MAX|MIN)_[A-Z_]+)\b/g;
  const found = files.flatMap(({ path, text }) =>
    [...text.matchAll(bound)].map(([, name]) => `${path} has ${name}`),
  );
  expect(found).toEqual([]);
});

test('a source file has at most 400 lines', () => {
  const lines = ({ text }: { readonly text: string }) => text.trimEnd().split('\n').length;
  expect(
    sources.filter((file) => lines(file) > 400).map((file) => `${file.path} has ${lines(file)}`),
  ).toEqual([]);
});

/** The package that a specifier names, for what is installed; nothing for files, Node's modules and words in texts. */
function packageOf(specifier: string): string | undefined {
  if (own(specifier) || specifier.startsWith('node:')) return undefined;
  return /^(@[a-z0-9-]+\/[a-z0-9.-]+|[a-z0-9.-]+)(\/|$)/.exec(specifier)?.[1];
}

function packagesOf(among: readonly { readonly text: string }[]): Set<string> {
  return new Set(among.flatMap(({ text }) => imports(text).flatMap((name) => packageOf(name) ?? [])));
}

type Manifest = Readonly<Record<'dependencies' | 'peerDependencies' | 'devDependencies', object | undefined>>;
const manifest = (directory: string) =>
  JSON.parse(readFileSync(`${root}/${directory}/package.json`, 'utf8')) as Manifest;
const { devDependencies = {}, workspaces } = manifest('.') as Manifest & { workspaces: readonly string[] };

/** CDK's `Provider` framework loads it in its functions, which run on the engine's packages. */
const FOR_FUNCTIONS_ALONE = '@aws-sdk/client-sfn';

test.each([...workspaces, 'examples/sample-app'])(
  '%s declares the packages that it imports, and no others',
  (directory) => {
    const { dependencies, peerDependencies } = manifest(directory);
    const declared = new Set(Object.keys({ ...dependencies, ...peerDependencies }));
    const inside = (path: string) => sources.filter((file) => file.path.startsWith(`${path}/`));
    // The command's package brings the app.
    const imported = packagesOf([
      ...inside(directory),
      ...(directory === 'packages/cli' ? inside('examples/app') : []),
    ]);
    expect([...imported].filter((name) => !declared.has(name))).toEqual([]);
    expect([...declared].filter((name) => !imported.has(name) && name !== FOR_FUNCTIONS_ALONE)).toEqual([]);
  },
);

test('what tests, tools and benchmarks import is declared by their package or the workspace', () => {
  const undeclared = files.flatMap((file) => {
    // The examples of adopt stand for apps of others: they are no package.
    const directory = /^(packages|examples)\/(?!adopt\/)[^/]+/.exec(file.path)?.[0] ?? '.';
    const { dependencies, peerDependencies } = manifest(directory);
    const declared = { ...dependencies, ...peerDependencies, ...devDependencies };
    return [...packagesOf([file])]
      .filter((name) => !(name in declared) && !name.startsWith('@queue-canary/'))
      .map((name) => `${file.path} imports ${name}`);
  });
  expect(undeclared).toEqual([]);
});

/** Who imports whom, by files or by what `unit` makes of their paths. */
function importGraph(unit: (path: string) => string | undefined): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const { path, text } of sources) {
    const from = unit(path);
    if (from === undefined) continue;
    for (const specifier of imports(text).filter(own)) {
      const to = unit(new URL(specifier, `file:///${path}`).pathname.slice(1));
      if (to === undefined) continue;
      if (!graph.has(from)) graph.set(from, new Set());
      if (to !== from || unit(path) === path) graph.get(from)!.add(to);
    }
  }
  return graph;
}

test('no files import each other in a circle', () => {
  expect(circles(importGraph((path) => path))).toEqual([]);
});

test('no folders of a package import each other in a circle', () => {
  expect(circles(importGraph((path) => /^packages\/[^/]+\/src\/[^/]+/.exec(path)?.[0]))).toEqual([]);
});

test('SQL numbers no parameters, which Node 22 cannot bind', () => {
  const numbered = /\b(SELECT|WHERE|SET|VALUES)\b[^'`]*[ (]\?\d/;
  expect(sources.filter(({ text }) => numbered.test(text)).map(({ path }) => path)).toEqual([]);
});
