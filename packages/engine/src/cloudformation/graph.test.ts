import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dependencies, inOrder, mentions } from './graph.ts';
import { parseTemplate } from './template.ts';

const note = (Value: unknown, rest: object = {}) => ({
  Type: 'AWS::SSM::Parameter',
  Properties: { Type: 'String', Value },
  ...rest,
});

test('references of every kind and DependsOn are dependencies; parameters are not', () => {
  const template = parseTemplate(
    JSON.stringify({
      Parameters: { P: { Type: 'String' } },
      Conditions: { C: { 'Fn::Equals': [{ Ref: 'P' }, 'x'] } },
      Resources: {
        A: note('x'),
        B: note({ Ref: 'A' }),
        C: note({ 'Fn::GetAtt': ['B', 'Value'] }),
        D: note({ 'Fn::Sub': `\${A}\${C.Value}\${P}\${!B}\${AWS::Region}` }),
        E: note(
          { 'Fn::If': ['C', { Ref: 'A' }, { 'Fn::Join': ['', [{ Ref: 'D' }]] }] },
          { DependsOn: ['C'] },
        ),
      },
    }),
  );
  const found = Object.fromEntries([...dependencies(template)].map(([id, needs]) => [id, [...needs].sort()]));
  expect(found).toEqual({ A: [], B: ['A'], C: ['B'], D: ['A', 'C'], E: ['A', 'C', 'D'] });
});

test("variables of a Sub's own are not mentions, their values are", () => {
  const found = mentions({ 'Fn::Sub': [`\${own}-\${Other}`, { own: { Ref: 'A' } }] });
  expect(found.map(({ name }) => name).sort()).toEqual(['A', 'Other']);
});

test('a cycle is named by its members alone', () => {
  const graph = new Map([
    ['Outside', new Set(['A'])],
    ['A', new Set(['B'])],
    ['B', new Set(['C'])],
    ['C', new Set(['A'])],
  ]);
  expect(() => inOrder(graph)).toThrow('Circular dependency between resources: [A, B, C]');
});

test('every resource comes after what it needs', () => {
  const acyclic = fc
    .array(fc.array(fc.nat({ max: 30 }), { maxLength: 5 }), { minLength: 1, maxLength: 30 })
    .map(
      (rows) =>
        new Map(
          rows.map((row, index) => [
            `R${index}`,
            new Set(row.filter((need) => need < index).map((need) => `R${need}`)),
          ]),
        ),
    );
  fc.assert(
    fc.property(acyclic, (graph) => {
      const order = inOrder(graph);
      expect([...order].sort()).toEqual([...graph.keys()].sort());
      for (const [id, needs] of graph) {
        for (const need of needs) expect(order.indexOf(need)).toBeLessThan(order.indexOf(id));
      }
    }),
  );
});
