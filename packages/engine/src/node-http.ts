/*
 * An `import` of `node:http` reads all its exports, and with them loads a WebSocket client, which takes a tenth of the
 * engine's start and is not used.
 */
export const { createServer, request } = process.getBuiltinModule('node:http');
