import { expect, test } from 'vitest';
import { formatTemplate } from './format-template.ts';

const image = {
  Id: 'sha256:1',
  RepoDigests: ['a@sha256:2'],
  Config: { Labels: { 'x.y': 'v' }, Cmd: null },
  Size: 3,
};

test.each([
  ['{{.Id}}', 'sha256:1'],
  ['{{index .RepoDigests 0}}', 'a@sha256:2'],
  ['id={{ .Id }} n={{len .RepoDigests}}', 'id=sha256:1 n=1'],
  ['{{json .Config}}', '{"Labels":{"x.y":"v"},"Cmd":null}'],
  ['{{json .}}', JSON.stringify(image)],
  ['{{index .Config.Labels "x.y"}}', 'v'],
  ['{{.Size}}', '3'],
])('%s gives %s', (template, expected) => {
  expect(formatTemplate(template, image)).toBe(expected);
});

test.each([
  ['{{index .RepoDigests 1}}', /index out of range: 1/],
  ['{{.Nope}}', /there is no field "Nope"/],
  ['{{range .RepoDigests}}', /not supported/],
])('%s is an error, not an empty line', (template, message) => {
  expect(() => formatTemplate(template, image)).toThrow(message);
});
