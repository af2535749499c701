import { expect, test } from 'vitest';
import { refuseHostChanges } from './host-safety.ts';

test.each([
  'apt-get update && apt-get install -y curl',
  'cd sub; apk add x',
  'DEBIAN_FRONTEND=noninteractive apt-get install x',
  'if true; then useradd me; fi',
  '(yum install x)',
  'true || sudo ls',
])('"%s" changes the machine and is refused', (text) => {
  expect(() => refuseHostChanges(text, 7)).toThrow(/line 7: RUN \S+ changes the machine/);
});

test.each([
  ['rm -rf /app/cache', '/app/cache'],
  ['echo x >/etc/motd', '/etc/motd'],
  ['A=/opt/x npm ci', '/opt/x'],
  ['node "/app/x.js"', '/app/x.js'],
  ['cd / && ls', '/'],
  ['rm -rf /tmp/*', '/tmp/*'],
])('"%s" reaches the machine by an absolute path and is refused', (text, path) => {
  expect(() => refuseHostChanges(text, 7)).toThrow(`absolute path "${path}"`);
});

test.each([
  'npm ci --omit=dev && npm cache clean --force',
  'node -e "console.log(1/2)" >/dev/null 2>&1',
  'curl https://example.com/a/b -o dir/file',
  "sed -i 's/a/b/' file && npm run service",
  'tar xzf a/b.tgz -C ./c',
])('"%s" stays in the image and is accepted', (text) => {
  expect(() => refuseHostChanges(text, 1)).not.toThrow();
});
