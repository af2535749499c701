import { expect, test } from 'vitest';
import { OwnCounters } from './own-counters.ts';

test('counts by one, by a number, and down', () => {
  const own = new OwnCounters();
  own.count('orders');
  own.count('orders', 2);
  own.count('Refunds in EUR: a.b-c_d', 12.5);
  own.count('balance', -3);
  expect(own.take()).toEqual({ orders: 3, 'Refunds in EUR: a.b-c_d': 12.5, balance: -3 });
  expect(own.take()).toEqual({});
});

test.each(['', 'x'.repeat(65), 'größe', 'a\nb', 'a/b', 'a{b}', JSON.parse('null'), JSON.parse('7')])(
  'the name "%s" is refused',
  (name) => {
    const own = new OwnCounters();
    expect(() => own.count(name)).toThrow(
      `count: a name has 1 to 64 letters, digits, spaces and characters of _.:-, and "${name}" does not`,
    );
    expect(own.take()).toEqual({});
  },
);

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, JSON.parse('"1"')])(
  'a count by %s is refused, and what was counted before stays',
  (by) => {
    const own = new OwnCounters();
    own.count('orders', 2);
    expect(() => own.count('orders', by)).toThrow(`"orders" can be raised by a finite number, not by ${by}`);
    expect(own.take()).toEqual({ orders: 2 });
  },
);

test('a sum that would not be finite is refused', () => {
  const own = new OwnCounters();
  own.count('orders', Number.MAX_VALUE);
  expect(() => own.count('orders', Number.MAX_VALUE)).toThrow(RangeError);
  expect(own.take()).toEqual({ orders: Number.MAX_VALUE });
});

test('a worker has at most twenty names in all its life, and those go on counting', () => {
  const own = new OwnCounters();
  for (let index = 0; index < 20; index++) own.count(`name ${index}`);
  own.take();
  expect(() => own.count('one more')).toThrow('at most 20 names, and "one more" is one more');
  own.count('name 7');
  expect(own.take()).toEqual({ 'name 7': 1 });
});

test('a name that every object has is a name like any other', () => {
  const own = new OwnCounters();
  for (const name of ['__proto__', 'constructor', 'toString']) own.count(name, 2);
  expect(JSON.stringify(own.take())).toBe('{"__proto__":2,"constructor":2,"toString":2}');
});
