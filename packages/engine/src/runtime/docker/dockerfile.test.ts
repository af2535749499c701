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
    [3, { kind: 'FROM', image: `node:\${VERSION}-slim` }],
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
  ['HEALTHCHECK CMD true', 'HEALTHCHECK'],
  ['ADD http://x /y', 'ADD'],
  ['VOLUME /data', 'VOLUME'],
  ['SHELL ["/bin/bash"]', 'SHELL'],
  ['ONBUILD RUN x', 'ONBUILD'],
  ['FROM node:24 AS second', 'A second FROM'],
  ['RUN --mount=type=cache,target=/x npm ci', 'RUN --mount'],
  ['RUN <<EOF', 'RUN with a here-document'],
  ['COPY <<"END" /x', 'COPY with a here-document'],
  ['COPY --from=build /a /b', 'COPY --from'],
  ['COPY --link a b', 'COPY --link'],
])('%s is refused by name and line, with the way out', (line, named) => {
  expect(() => parse('', line)).toThrow(new RegExp(`^Dockerfile line 3: ${named}.*container engine`));
});

test('arithmetic and here-strings are not here-documents', () => {
  expect(parse('RUN echo $((1<<2)) && cat <<<word')).toHaveLength(1);
});

test.each([
  [['FORM node'], /line 2: "FORM" is not an instruction/],
  [['RUN'], /line 2: RUN needs an argument/],
  [['COPY onlyone'], /line 2: COPY needs a source and a destination/],
  [['COPY --chmod=u+x a b'], /"u\+x" is not a mode/],
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
