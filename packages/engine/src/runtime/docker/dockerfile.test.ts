import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UserError } from '../../errors.ts';
import { parseDockerfile } from './dockerfile.ts';

const parse = (...lines: string[]) => parseDockerfile(['FROM node:24', ...lines].join('\n')).slice(1);

test('an ordinary Dockerfile becomes its instructions with their lines', () => {
  const text = `# syntax=docker/dockerfile:1
ARG VERSION=24
FROM --platform=linux/amd64 node:\${VERSION}-slim AS base

WORKDIR /app
COPY --chown=node:node --chmod=755 package*.json ["not json" ./
COPY ["a file", "b"]
RUN npm ci \\
    # a comment inside
    --omit=dev \\

    && echo done
ENV A=1 B="two words" C=three\\ words
ENV OLD the rest of it
LABEL "quoted.key"=x
USER node
EXPOSE 8080 53/udp
STOPSIGNAL SIGINT
ENTRYPOINT ["node"]
cmd node main.js --x
`;
  expect(parseDockerfile(text).map(({ line, source: _, ...rest }) => [line, rest])).toEqual([
    [2, { kind: 'ARG', names: [{ name: 'VERSION', value: '24' }] }],
    [3, { kind: 'FROM', image: `node:\${VERSION}-slim`, stage: 'base' }],
    [5, { kind: 'WORKDIR', path: '/app' }],
    [6, { kind: 'COPY', sources: ['package*.json', '["not json"'], destination: './', chmod: '755' }],
    [7, { kind: 'COPY', sources: ['a file'], destination: 'b' }],
    [8, { kind: 'RUN', command: { form: 'shell', text: 'npm ci     --omit=dev     && echo done' } }],
    [
      13,
      {
        kind: 'ENV',
        pairs: [
          { name: 'A', value: '1' },
          { name: 'B', value: '"two words"' },
          { name: 'C', value: 'three\\ words' },
        ],
      },
    ],
    [14, { kind: 'ENV', pairs: [{ name: 'OLD', value: 'the rest of it' }] }],
    [15, { kind: 'LABEL', pairs: [{ name: 'quoted.key', value: 'x' }] }],
    [16, { kind: 'USER', user: 'node' }],
    [17, { kind: 'EXPOSE', ports: ['8080', '53/udp'] }],
    [18, { kind: 'STOPSIGNAL', signal: 'SIGINT' }],
    [19, { kind: 'ENTRYPOINT', command: { form: 'exec', words: ['node'] } }],
    [20, { kind: 'CMD', command: { form: 'shell', text: 'node main.js --x' } }],
  ]);
});

test('a command in brackets that is not JSON is a shell command, as in Docker', () => {
  expect(parse("CMD ['node']")).toMatchObject([{ command: { form: 'shell', text: "['node']" } }]);
  expect(parse('RUN [ -f x ]')).toMatchObject([{ command: { form: 'shell' } }]);
});

test.each([
  ['ADD http://x /y', 'ADD of the address http://x'],
  ['ADD git@example.com:a/b.git /y', 'ADD of the address'],
  ['ADD --checksum=sha256:1 a b', 'ADD --checksum'],
  ['ONBUILD RUN x', 'ONBUILD'],
  ['RUN --mount=type=secret,id=npm npm ci', 'RUN --mount=type=secret'],
  ['RUN --mount=target=/x ls', 'RUN --mount=type=bind'],
  ['RUN --network=none npm ci', 'RUN --network'],
  ['RUN <<EOF\n#!/usr/bin/env python3\nEOF', 'A here-document that names its program'],
  ['COPY <<"END" /x\ntext\nEND', 'COPY with a here-document'],
  ['COPY --parents a b', 'COPY --parents'],
  ['COPY --exclude=*.md a b', 'COPY --exclude'],
])('%s is refused by name and line, with the way out', (line, named) => {
  const [refused] = parse('', line, 'ENV A=1');
  expect(refused).toMatchObject({
    kind: 'REFUSED',
    error: {
      code: 'UnsupportedInstruction',
      message: expect.stringMatching(
        new RegExp(`^Dockerfile line 3: ${named.replace(/[()*]/g, '\\$&')}.*container engine`),
      ),
    },
  });
  expect(parse('', line, 'ENV A=1').at(-1)).toMatchObject({ kind: 'ENV' });
});

test('what only describes the image is read', () => {
  expect(
    parse(
      'HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=2s --retries=3 CMD curl -f http://x || exit 1',
      'HEALTHCHECK CMD ["node", "check.js"]',
      'healthcheck none',
      'VOLUME /data /logs',
      'VOLUME ["/a b"]',
      'SHELL ["/bin/bash", "-c"]',
      'MAINTAINER Ada <ada@example.com>',
    ).map(({ line: _, source: __, ...rest }) => rest),
  ).toEqual([
    {
      kind: 'HEALTHCHECK',
      check: {
        Test: ['CMD-SHELL', 'curl -f http://x || exit 1'],
        Interval: 90e9,
        Timeout: 5e8,
        StartPeriod: 2e9,
        Retries: 3,
      },
    },
    { kind: 'HEALTHCHECK', check: { Test: ['CMD', 'node', 'check.js'] } },
    { kind: 'HEALTHCHECK', check: { Test: ['NONE'] } },
    { kind: 'VOLUME', paths: ['/data', '/logs'] },
    { kind: 'VOLUME', paths: ['/a b'] },
    { kind: 'SHELL', words: ['/bin/bash', '-c'] },
    { kind: 'MAINTAINER', name: 'Ada <ada@example.com>' },
  ]);
});

test('options that cannot change the image are taken, and stages are named', () => {
  expect(
    parse(
      'RUN --mount=type=cache,target=/root/.npm --network=default npm ci',
      'COPY --link --chown=1:1 --chmod=u=rwX,go=rX a b',
      'FROM node:24 AS Second',
      'COPY --from=0 /a ["/b"]',
      'ADD x ./',
    ),
  ).toMatchObject([
    { kind: 'RUN', command: { form: 'shell', text: 'npm ci' } },
    { kind: 'COPY', sources: ['a'], chmod: 'u=rwX,go=rX' },
    { kind: 'FROM', stage: 'second' },
    { kind: 'COPY', from: '0' },
    { kind: 'ADD', sources: ['x'] },
  ]);
});

test('a here-document is the command, or belongs to it, and what follows it is read on', () => {
  expect(
    parse(
      'RUN <<EOF',
      'npm ci',
      '# a comment of the shell',
      'EOF',
      "RUN cat <<-'A' <<B >all",
      '\tone',
      'A',
      'two',
      'B',
      'USER node',
    ),
  ).toMatchObject([
    { kind: 'RUN', line: 2, command: { form: 'shell', text: 'npm ci\n# a comment of the shell' } },
    { kind: 'RUN', line: 6, command: { form: 'shell', text: "cat <<-'A' <<B >all\none\nA\ntwo\nB\n" } },
    { kind: 'USER', line: 11 },
  ]);
  expect(parse('RUN echo "<<EOF" && echo \'<<EOF\'', 'USER node')).toHaveLength(2);
});

test('arithmetic and here-strings are not here-documents', () => {
  expect(parse('RUN echo $((1<<2)) && cat <<<word', 'USER node')).toHaveLength(2);
});

test('every mistake and everything refused is said at once, in the order of the lines', () => {
  expect(() => parse('ONBUILD RUN x', 'FORM y', 'RUN', 'HEALTHCHECK --interval=soon CMD x')).toThrow(
    /^Dockerfile line 2: ONBUILD is not.*\nDockerfile line 3: "FORM".*\nDockerfile line 4: RUN needs.*\nDockerfile line 5: "soon" is not a time/,
  );
});

test.each([
  [['FORM node'], /line 2: "FORM" is not an instruction/],
  [['RUN'], /line 2: RUN needs an argument/],
  [['COPY onlyone'], /line 2: COPY needs a source and a destination/],
  [['COPY --chmod=u+z a b'], /"u\+z" is not a mode/],
  [['RUN <<EOF', 'npm ci'], /line 2: the here-document EOF does not end/],
  [['SHELL bash'], /write SHELL/],
  [['HEALTHCHECK curl x'], /write HEALTHCHECK/],
  [['FROM node AS'], /write FROM image \[AS name\]/],
  [['ENV A="open'], /line 2: a " is not closed/],
  [['ARG 1x=2'], /"1x" is not a name/],
  [['LABEL novalue'], /write LABEL name=value/],
])('%j is a mistake that names its line', (lines, message) => {
  expect(() => parse(...lines)).toThrow(message);
});

test('only ARG may stand before FROM, and there must be one', () => {
  expect(() => parseDockerfile('RUN x\nFROM node:24')).toThrow(/RUN stands before FROM/);
  expect(() => parseDockerfile('# nothing\n')).toThrow(/has no FROM/);
});

test('another escape character is refused, since it would change what the lines mean', () => {
  expect(() => parseDockerfile('# escape=`\nFROM node:24')).toThrow(/line 1: The directive escape=`/);
});

test('whatever the file holds, the answer is instructions or an error that the user can act on', () => {
  const word = fc.constantFrom(
    'FROM',
    'RUN',
    'COPY',
    'ENV',
    'node:24',
    'a=b',
    '--x=y',
    '\\',
    '"',
    "'",
    '#',
    '[',
    '["a"]',
    '<<E',
    '$A',
    '\n',
    ' ',
    '\t',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string())), (parts) => {
      try {
        parseDockerfile(parts.join(' '));
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
      }
    }),
  );
});

test('where a shell command is broken into lines does not change it', () => {
  const piece = fc.stringMatching(/^[a-z][a-z-]{0,8}$/);
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), fc.array(fc.boolean()), (pieces, breaks) => {
      const text = pieces.map((item, index) => (index > 0 && breaks[index] ? `\\\n${item}` : item)).join(' ');
      expect(parse(`RUN ${text}`)).toMatchObject([{ command: { form: 'shell', text: pieces.join(' ') } }]);
    }),
  );
});
