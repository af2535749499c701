import { expect, test } from 'vitest';
import { parseCommand } from './dockerfile-arguments.ts';
import { hostChange } from './host-safety.ts';

const change = (text: string) => hostChange(parseCommand(text), 7)?.message;

test.each([
  'apt-get update && apt-get install -y curl',
  'cd sub; apk add x',
  'DEBIAN_FRONTEND=noninteractive apt-get install x',
  'if true; then useradd me; fi',
  '(yum install x)',
  'true || sudo ls',
  'sh -c "apt-get update"',
  '["apt-get", "update"]',
  'echo "$(apk add x)"',
  'cat list | xargs -n 1 apt-get install',
  'cat <<EOF >a && apt-get update\ntext\nEOF\n',
  'cat <<-A\n\tA\nsudo ls',
  'env A=1 \\\n  yum install x',
  '/usr/bin/apt-get update',
])('"%s" changes the machine and is refused', (text) => {
  expect(change(text)).toMatch(/line 7: RUN \S+ changes the machine/);
});

test.each([
  ['rm -rf /app/cache', '/app/cache'],
  ['echo x >/etc/motd', '/etc/motd'],
  ['A=/opt/x npm ci', '/opt/x'],
  ['node "/app/x.js"', '/app/x.js'],
  ['cd / && ls', '/'],
  ['rm -rf /tmp/*', '/tmp/*'],
  ['npm config set cache=/var/cache', '/var/cache'],
  ['tar -C /opt -xf a.tar', '/opt'],
  ['npm ci --prefix=/srv', '/srv'],
  ['npm ci 2>/var/log/npm', '/var/log/npm'],
  ['echo "text" >"/etc/motd"', '/etc/motd'],
  ['PATH=$PATH:/opt/bin npm ci', '/opt/bin'],
  ['["mkdir", "/data"]', '/data'],
  ['test -d x || mkdir /data', '/data'],
])('"%s" reaches the machine by an absolute path and is refused', (text, path) => {
  expect(change(text)).toContain(`absolute path "${path}"`);
});

test.each([
  'npm ci --omit=dev && npm cache clean --force',
  'node -e "console.log(1/2)" >/dev/null 2>&1',
  'curl https://example.com/a/b -o dir/file',
  "sed -i 's/a/b/' file && npm run service",
  'tar xzf a/b.tgz -C ./c',
  'node -e "const service=1;console.log(service)"',
  `node -e 'require("fs").writeFileSync("a", "/data; mount x")'`,
  'echo "first; apt-get later" && echo mount su /data',
  'grep -q "^/api" routes.txt',
  "sed -i '/debug/d' config.js",
  "awk '/x/ { print }' file",
  'npm run mount && yarn service && npx passwd',
  'printf "%s\\n" "service" | tr "/" "-"',
  'curl -fsS https://example.com/apk/su -o su',
  'test "$(node -p 1)" = 1 && echo $((1 + 2))',
  'npm ci # apt-get is not needed',
  'NODE_OPTIONS=--max-old-space-size=4096 npm run build',
  'git clone ssh://git@example.com/a/b',
  'cat <<EOF >nginx.conf\n/data { service x }\napt-get\nEOF\nnpm ci',
])('"%s" stays in the image and is accepted', (text) => {
  expect(change(text)).toBeUndefined();
});
